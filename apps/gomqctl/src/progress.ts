import { Presets, SingleBar } from 'cli-progress'

/** Time after which work counts as long. */
const LONG_MS = 1000
const UPDATE_INTERVAL_MS = 100

/** How far long work is: a line on standard error, only on a terminal and only when it takes longer than a second. */
export class Progress {
  readonly #startedMs = Date.now()
  #bar: SingleBar | undefined
  #nextMs = 0

  /** `done` messages are done. */
  update(done: number): void {
    if (!process.stderr.isTTY) return
    const nowMs = Date.now()
    if (nowMs < this.#nextMs || nowMs - this.#startedMs < LONG_MS) return
    this.#nextMs = nowMs + UPDATE_INTERVAL_MS
    if (this.#bar === undefined) {
      this.#bar = new SingleBar(
        { format: '{value} messages, {duration_formatted}', stream: process.stderr, hideCursor: true },
        Presets.legacy,
      )
      this.#bar.start(0, 0)
    }
    this.#bar.update(done)
  }

  /** Takes the line away. */
  stop(): void {
    this.#bar?.stop()
  }
}
