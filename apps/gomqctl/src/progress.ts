import { Presets, SingleBar } from 'cli-progress'

/** Milliseconds after which work counts as long. */
const LONG_MS = 1000
const UPDATE_INTERVAL_MS = 100

/** How far long work is: a line on a terminal, only when it takes longer than a second. It goes when the work is over. */
export class Progress {
  readonly #stream: NodeJS.WritableStream & { readonly isTTY?: boolean }
  readonly #now: () => number
  readonly #startedMs: number
  #bar: SingleBar | undefined
  #nextMs = 0

  /** @param now  milliseconds, of any clock that does not go back */
  constructor(
    stream: NodeJS.WritableStream & { readonly isTTY?: boolean },
    now: () => number = () => performance.now(),
  ) {
    this.#stream = stream
    this.#now = now
    this.#startedMs = now()
  }

  /** `done` messages are done; with `total`, that part of it is, whatever is counted. */
  update(done: number, total?: number): void {
    if (this.#stream.isTTY !== true) return
    const nowMs = this.#now()
    if (nowMs < this.#nextMs || nowMs - this.#startedMs < LONG_MS) return
    this.#nextMs = nowMs + UPDATE_INTERVAL_MS
    if (this.#bar === undefined) {
      this.#bar = new SingleBar(
        {
          format: total === undefined ? '{value} messages' : '[{bar}] {percentage}%',
          stream: this.#stream,
          hideCursor: true,
          clearOnComplete: true,
          gracefulExit: false,
        },
        Presets.legacy,
      )
      this.#bar.start(total ?? 0, done)
    }
    this.#bar.update(done)
  }

  /** Takes the line away. Again: nothing. */
  stop(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }
}
