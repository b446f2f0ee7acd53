import { GomqError } from '@gomq/client'
import type { BenchProducer } from './bench-producer.js'

/** Milliseconds before the next message from which on a precise load watches the clock: a timer of Node may come that late. */
const WATCH_MS = 2

/** Runs the producers of a bench in one event loop, until all of them are done and settled. */
export class Load {
  /** Resolves when nothing more is published, and all that was has settled. */
  readonly finished: Promise<void>
  readonly #producers: readonly BenchProducer[]
  readonly #now: () => number
  readonly #watchMs: number
  #resolve!: () => void
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined

  /** @param isPrecise  sends when it is due by the clock, which takes a core, and not up to some milliseconds later by a timer */
  constructor(producers: readonly BenchProducer[], now: () => number, isPrecise: boolean) {
    this.#producers = producers
    this.#now = now
    this.#watchMs = isPrecise ? WATCH_MS : 0
    this.finished = new Promise((resolve) => (this.#resolve = resolve))
    for (const producer of producers) producer.onReleased(() => this.#soon())
  }

  start(): void {
    this.#soon()
  }

  /** Publishes no more; {@link finished} waits for what was published. */
  stop(): void {
    for (const producer of this.#producers) producer.stop()
    this.#soon()
  }

  /** Once in this turn of the event loop, however many acknowledgements come in it. */
  #soon(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined
      this.#turn()
    })
  }

  #turn(): void {
    clearTimeout(this.#timer)
    if (this.#producers.some(({ failure }) => failure !== undefined)) for (const each of this.#producers) each.stop()
    const nowMs = this.#now()
    let nextMs = Number.POSITIVE_INFINITY
    let isFinished = true
    for (const producer of this.#producers) {
      nextMs = Math.min(nextMs, producer.publishDue(nowMs))
      if (!producer.isDone || producer.unacked > 0) isFinished = false
    }
    if (isFinished) this.#resolve()
    else if (nextMs - nowMs <= this.#watchMs) this.#soon()
    else if (nextMs < Number.POSITIVE_INFINITY)
      this.#timer = setTimeout(() => this.#turn(), nextMs - nowMs - this.#watchMs)
  }
}

/**
 * While it stands, a publish that is refused before its turn to be looked at does not end the process: nobody handles its promise yet, but its
 * lane will.
 */
export class RefusedOutOfTurn implements Disposable {
  readonly #process: NodeJS.Process

  constructor(process: NodeJS.Process) {
    this.#process = process
    process.on('unhandledRejection', this.#handle)
  }

  [Symbol.dispose](): void {
    this.#process.removeListener('unhandledRejection', this.#handle)
  }

  readonly #handle = (reason: unknown): void => {
    if (!(reason instanceof GomqError)) throw reason
  }
}
