import type { Writable } from 'node:stream'

/** Bytes that are collected before they are written. */
const FLUSH_BYTES: number = 64 * 1024

/**
 * Standard output with few writes: what comes in one turn of the event loop goes out as one. `onWritten` of each piece is called once it was
 * handed over, so that a message is acknowledged only after it was printed. When the reader has gone (`| head`) or a write fails, what
 * follows is dropped.
 */
export class Output {
  readonly #stream: Writable
  readonly #onBroken: () => void
  #pieces: Uint8Array[] = []
  #callbacks: (() => void)[] = []
  #bytes = 0
  #isScheduled = false
  #isBroken = false
  #lastWrite: Promise<void> = Promise.resolve()

  /** @param onBroken  called once, when nothing can be written any more */
  constructor(stream: Writable, onBroken: () => void = () => {}) {
    this.#stream = stream
    this.#onBroken = onBroken
    stream.on('error', this.#handleError)
  }

  /** Takes bytes; resolves at once unless the reader is behind. */
  write(bytes: Uint8Array, onWritten?: () => void): Promise<void> | void {
    if (this.#isBroken) return
    this.#pieces.push(bytes)
    if (onWritten !== undefined) this.#callbacks.push(onWritten)
    this.#bytes += bytes.byteLength
    if (this.#bytes >= FLUSH_BYTES) return this.flush()
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => void this.flush())
  }

  /** Writes what was collected; resolves when all of it was handed over, or dropped because nothing can be written. */
  flush(): Promise<void> {
    this.#isScheduled = false
    if (this.#pieces.length === 0 || this.#isBroken) return this.#lastWrite
    const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
    const callbacks = this.#callbacks
    this.#pieces = []
    this.#callbacks = []
    this.#bytes = 0
    this.#lastWrite = new Promise((resolve) => {
      this.#stream.write(bytes, (error) => {
        if (!error) for (const callback of callbacks) callback()
        resolve()
      })
    })
    return this.#lastWrite
  }

  readonly #handleError = () => {
    if (this.#isBroken) return
    this.#isBroken = true
    this.#onBroken()
  }
}

/** Says once that results could not be written; a reader that has gone (`| head`) is no failure. */
export function onWriteFailure(stream: Writable, onFailure: (error: Error) => void): void {
  let hasFailed = false
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (hasFailed || error.code === 'EPIPE' || error.code === 'EOF') return
    hasFailed = true
    onFailure(error)
  })
}
