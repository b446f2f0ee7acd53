import type { Clock, ScheduledCall } from '../clock.js'

interface Event {
  readonly atMs: number
  readonly order: number
  run: (() => void) | undefined
}

/** Virtual time: a queue of calls, in order of time, then of their making. Nothing passes but what {@link VirtualClock.takeNext} takes. */
export class VirtualClock implements Clock {
  /** A binary heap by (atMs, order). */
  readonly #heap: Event[] = []
  /** Calls that were taken. */
  events = 0
  #nowMs: number
  #orders = 0

  constructor(startMs: number = 0) {
    this.#nowMs = startMs
  }

  /** The time, for those who count from 1970: the same as {@link monotonicMs}. */
  nowMs(): number {
    return this.#nowMs
  }

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

  /** Lets time pass up to `untilMs`; after each call what it has set going runs to its next wait, if that takes promises alone. */
  async runTo(untilMs: number): Promise<void> {
    await settle()
    for (let next = this.takeNext(untilMs); next !== undefined; next = this.takeNext(untilMs)) {
      next()
      await settle()
    }
  }

  /** Lets `ms` pass, as {@link runTo} does. */
  run(ms: number): Promise<void> {
    return this.runTo(this.#nowMs + ms)
  }

  /** Moves time to the next call and returns it; undefined when there is none up to `untilMs` (time then stands there). */
  takeNext(untilMs: number): (() => void) | undefined {
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= untilMs; first = this.#heap[0]) {
      this.#pop()
      if (first.run === undefined) continue
      this.#nowMs = first.atMs
      this.events++
      return first.run
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs)
    return undefined
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

/** More turns than any chain of promises takes that waits for nothing else. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 16; turn++) await undefined
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
