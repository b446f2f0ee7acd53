import type { Clock, ScheduledCall } from '@gomq/cluster'

interface Event {
  readonly atMs: number
  readonly order: number
  run: (() => void) | undefined
}

/** Virtual time: calls in order of time, then of their making. */
export class VirtualClock implements Clock {
  readonly #heap: Event[] = []
  #nowMs = 0
  #orders = 0
  /** Calls that were made. */
  steps = 0

  monotonicMs(): number {
    return this.#nowMs
  }

  schedule(delayMs: number, run: () => void): ScheduledCall {
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#orders++, run }
    this.#push(event)
    return { cancel: () => (event.run = undefined) }
  }

  /** Resolves `delayMs` from now. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.schedule(delayMs, resolve))
  }

  /** Lets time pass up to `untilMs`; after each call what it has set going runs to its next wait. */
  async runTo(untilMs: number): Promise<void> {
    await settle()
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop()
      if (next.run === undefined) continue
      this.#nowMs = next.atMs
      this.steps++
      next.run()
      await settle()
    }
    this.#nowMs = untilMs
  }

  /** Lets `ms` pass. */
  run(ms: number): Promise<void> {
    return this.runTo(this.#nowMs + ms)
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

/** What has been set going runs to its next wait. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 16; turn++) await undefined
}

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

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
