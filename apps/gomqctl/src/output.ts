import { once } from 'node:events'
import type { Writable } from 'node:stream'

/** Bytes that are collected before they are written. */
const FLUSH_BYTES: number = 64 * 1024

/**
 * Standard output with few writes: what comes in one turn of the event loop goes out as one. `onWritten` of each piece is called once it was
 * handed over, so that a message is acknowledged only after it was printed. A closed pipe (`| head`) is an end, not an error.
 */
export class Output {
  readonly #stream: Writable
  #pieces: Uint8Array[] = []
  #callbacks: (() => void)[] = []
  #bytes = 0
  #isScheduled = false
  #isBroken = false

  /** @param onBroken  the reader has gone */
  constructor(stream: Writable, onBroken: () => void) {
    this.#stream = stream
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#isBroken = true
      if (error.code !== 'EPIPE') throw error
      onBroken()
    })
  }

  /** Takes bytes; resolves at once unless the reader is behind. */
  async write(bytes: Uint8Array, onWritten: () => void): Promise<void> {
    this.#pieces.push(bytes)
    this.#callbacks.push(onWritten)
    this.#bytes += bytes.byteLength
    if (this.#bytes >= FLUSH_BYTES) await this.flush()
    else if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(() => void this.flush())
    }
  }

  /** Writes what was collected. */
  async flush(): Promise<void> {
    this.#isScheduled = false
    if (this.#pieces.length === 0 || this.#isBroken) return
    const bytes = Buffer.concat(this.#pieces)
    const callbacks = this.#callbacks
    this.#pieces = []
    this.#callbacks = []
    this.#bytes = 0
    const hasRoom = this.#stream.write(bytes, (error) => {
      if (!error) for (const callback of callbacks) callback()
    })
    if (!hasRoom) await Promise.race([once(this.#stream, 'drain'), once(this.#stream, 'close')]).catch(() => {})
  }
}
