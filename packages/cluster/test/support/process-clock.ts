import type { Clock, ScheduledCall } from '@gomq/cluster'

/** The clock of one process: it can stand still, while time goes on, and ends with the process. */
export class ProcessClock implements Clock {
  readonly #world: Clock
  #held: (() => void)[] = []
  #isPaused = false
  #isOver = false

  constructor(world: Clock) {
    this.#world = world
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  monotonicMs(): number {
    return this.#world.monotonicMs()
  }

  schedule(delayMs: number, run: () => void): ScheduledCall {
    let isCancelled = false
    const call = () => {
      if (isCancelled || this.#isOver) return
      if (this.#isPaused) this.#held.push(call)
      else run()
    }
    const scheduled = this.#world.schedule(delayMs, call)
    return {
      cancel: () => {
        isCancelled = true
        scheduled.cancel()
      },
    }
  }

  /** Nothing runs any more, until {@link resume}. */
  pause(): void {
    this.#isPaused = true
  }

  /** What was due runs, in order, each as a call of its own. */
  resume(): void {
    this.#isPaused = false
    const held = this.#held
    this.#held = []
    for (const call of held) this.#world.schedule(0, call)
  }

  /** The process is gone. */
  end(): void {
    this.#isOver = true
    this.#held = []
  }
}
