import type { Scheduler, Timer } from '../../src/scheduler.js'

/** Time that only a test moves. */
export class ManualScheduler implements Scheduler {
  #nowMs = 1_700_000_000_000
  #calls: { atMs: number; run: () => void }[] = []

  nowMs(): number {
    return this.#nowMs
  }

  schedule(delayMs: number, run: () => void): Timer {
    const call = { atMs: this.#nowMs + delayMs, run }
    this.#calls.push(call)
    return {
      cancel: () => {
        this.#calls = this.#calls.filter((other) => other !== call)
      },
    }
  }

  /** Moves time on, and makes the calls that fall due, in their order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      const due = this.#calls.filter((call) => call.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#calls = this.#calls.filter((call) => call !== due)
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      due.run()
    }
    this.#nowMs = endMs
  }
}
