import type { NoteStream } from '../notes.js'
import type { Progress } from '../progress.js'

const PROGRESS_INTERVAL_MS = 100

/** How far a bench is, while it runs. */
export interface BenchProgress {
  /** Of `total`, in messages or milliseconds; messages if there is no total. */
  readonly done: number
  readonly total: number | undefined
  /** Messages that are counted: acknowledged, received. */
  readonly counts: Readonly<Record<string, number>>
}

/** Shows a bench while it runs: a bar on a terminal, or a line each interval if that is asked for. Ends when it is disposed. */
export class BenchMonitor implements Disposable {
  readonly #look: () => BenchProgress
  readonly #progress: Progress
  readonly #stderr: NoteStream
  readonly #timer: NodeJS.Timeout
  readonly #now: () => number
  readonly #startedMs: number
  #lastMs: number
  #lastCounts: Readonly<Record<string, number>>

  /** @param intervalMs  between two lines; undefined: no lines, but a bar */
  constructor(
    look: () => BenchProgress,
    progress: Progress,
    stderr: NoteStream,
    intervalMs: number | undefined,
    now: () => number,
  ) {
    this.#look = look
    this.#progress = progress
    this.#stderr = stderr
    this.#now = now
    this.#startedMs = this.#lastMs = now()
    this.#lastCounts = look().counts
    this.#timer =
      intervalMs === undefined
        ? setInterval(() => this.#showProgress(), PROGRESS_INTERVAL_MS)
        : setInterval(() => this.writeLine(), intervalMs)
  }

  /** Writes what was counted since the last line, as rates. */
  writeLine(): void {
    const nowMs = this.#now()
    const { counts } = this.#look()
    const seconds = (nowMs - this.#lastMs) / 1000
    const rates = Object.entries(counts).map(
      ([name, count]) => `${name} ${Math.round((count - (this.#lastCounts[name] ?? 0)) / seconds)}/s`,
    )
    this.#stderr.write(`${((nowMs - this.#startedMs) / 1000).toFixed(1)}s  ${rates.join('  ')}\n`)
    this.#lastMs = nowMs
    this.#lastCounts = counts
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#progress.stop()
  }

  #showProgress(): void {
    const { done, total } = this.#look()
    this.#progress.update(total === undefined ? done : Math.min(done, total), total)
  }
}
