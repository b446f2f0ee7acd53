import type { Socket } from 'node:net'

/** How bytes go from one side to the other. */
export interface Passage {
  /** Nothing passes; what comes waits. */
  readonly isHeld?: boolean
  readonly delayMs?: number
  readonly bytesPerSecond?: number
}

/** Held beyond that, the sender's socket fills, as it would with a silent network. */
const HELD_BYTES_MAX = 256 * 1024

/** One direction of a proxied connection. */
export class Flow {
  readonly #from: Socket
  readonly #to: Socket
  readonly #queue: { readonly chunk: Buffer; atMs: number }[] = []
  #queuedBytes = 0
  #passage: Passage = {}
  /** When the line is free again. */
  #freeAtMs = 0
  #timer: NodeJS.Timeout | undefined
  #onEnd: (() => void) | undefined

  constructor(from: Socket, to: Socket) {
    this.#from = from
    this.#to = to
    to.on('drain', () => this.#pump())
  }

  /** From now on bytes go so, those too that are under way. */
  treat(passage: Passage): void {
    this.#passage = passage
    this.#freeAtMs = 0
    for (const under of this.#queue) under.atMs = this.#arrivalMs(under.chunk)
    this.#pump()
  }

  /** Bytes have come. */
  push(chunk: Buffer): void {
    this.#queue.push({ chunk, atMs: this.#arrivalMs(chunk) })
    this.#queuedBytes += chunk.byteLength
    this.#pump()
  }

  /** Nothing more comes. @param then  called when all has gone through */
  end(then: () => void): void {
    this.#onEnd = then
    this.#pump()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#queue.length = 0
    this.#onEnd = undefined
  }

  /** When the bytes come, behind all others. */
  #arrivalMs(chunk: Buffer): number {
    const { delayMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY } = this.#passage
    this.#freeAtMs = Math.max(performance.now(), this.#freeAtMs) + (1000 * chunk.byteLength) / bytesPerSecond
    return delayMs + this.#freeAtMs
  }

  #pump(): void {
    clearTimeout(this.#timer)
    if (!this.#passage.isHeld) {
      const nowMs = performance.now()
      while (this.#queue[0] !== undefined && this.#queue[0].atMs <= nowMs && !this.#to.writableNeedDrain) {
        const { chunk } = this.#queue.shift()!
        this.#queuedBytes -= chunk.byteLength
        this.#to.write(chunk)
      }
      const next = this.#queue[0]
      if (next !== undefined) this.#timer = setTimeout(() => this.#pump(), Math.max(1, next.atMs - nowMs))
      else this.#onEnd?.()
    }
    if (this.#queuedBytes > HELD_BYTES_MAX) this.#from.pause()
    else this.#from.resume()
  }
}
