import type { Scheduler } from '@gomq/broker'
import type { Clock, ScheduledCall } from '@gomq/cluster'
import type { VirtualClock } from '@gomq/cluster/testing'

/**
 * Time as one process sees it. The process can stand still while the world goes on, and its monotonic clock with it or not (a machine that was
 * suspended); what comes meanwhile waits, in order. Everything ends with the process.
 */
export class ProcessClock implements Scheduler, Clock {
  readonly #world: VirtualClock
  readonly #wallOffsetMs: number
  #lostMs = 0
  /** When time stopped for this process, if it did. */
  #stoppedAtMs: number | undefined
  #waiting: (() => void)[] = []
  #isPaused = false
  #isOver = false
  /** Whether its monotonic clock ever stood still: then a lease may have run out without its notice. */
  hasLostTime = false

  /** @param wallOffsetMs  what the machine's calendar was off by when the process started */
  constructor(world: VirtualClock, wallOffsetMs: number) {
    this.#world = world
    this.#wallOffsetMs = wallOffsetMs
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  monotonicMs(): number {
    return (this.#stoppedAtMs ?? this.#world.nowMs()) - this.#lostMs
  }

  nowMs(): number {
    return this.monotonicMs() + this.#wallOffsetMs
  }

  /** To the whole millisecond, as what is stamped with the time holds no fractions. */
  schedule(delayMs: number, run: () => void): ScheduledCall {
    const wholeMs = Math.max(0, Math.round(delayMs))
    const dueMs = this.monotonicMs() + wholeMs
    let timer: ScheduledCall | undefined
    let isCancelled = false
    const call = () => {
      if (isCancelled) return
      const restMs = dueMs - this.monotonicMs()
      if (restMs > 0) timer = this.#world.schedule(restMs, fire)
      else run()
    }
    const fire = () => this.deliver(call)
    timer = this.#world.schedule(wholeMs, fire)
    return {
      cancel: () => {
        isCancelled = true
        timer?.cancel()
      },
    }
  }

  /** Resolves `delayMs` from now. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.schedule(delayMs, resolve))
  }

  /** Something comes to the process: at once, or when it goes on, behind what came before. */
  deliver(call: () => void): void {
    if (this.#isOver) return
    if (this.#isPaused || this.#waiting.length > 0) this.#waiting.push(call)
    else call()
  }

  /** Nothing runs any more, until {@link resume}. @param stopsTime  whether its clock stands still as well */
  pause(stopsTime: boolean): void {
    this.#isPaused = true
    if (!stopsTime || this.#stoppedAtMs !== undefined) return
    this.#stoppedAtMs = this.#world.nowMs()
    this.hasLostTime = true
  }

  /** What has waited runs, in order, each as a call of its own. */
  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    if (this.#stoppedAtMs !== undefined) this.#lostMs += this.#world.nowMs() - this.#stoppedAtMs
    this.#stoppedAtMs = undefined
    this.#drain()
  }

  /** The process is gone. */
  end(): void {
    this.#isOver = true
    this.#waiting = []
  }

  #drain(): void {
    if (this.#waiting.length === 0) return
    this.#world.schedule(0, () => {
      if (this.#isPaused || this.#isOver) return
      this.#waiting.shift()?.()
      this.#drain()
    })
  }
}
