import type { Socket } from 'node:net'
import type { Wire, WireHandler } from '../wire.js'

/** Bytes given to the socket at once: what the peer acknowledges in between counts as progress. */
const WRITE_BYTES_MAX = 256 * 1024

/** Time that a closing connection gets to take its last bytes. */
const LINGER_MS = 2_000

/**
 * A TCP socket as a {@link Wire}. One write is under way at a time, of at most 256 KiB; what comes meanwhile goes in the next, as
 * one `writev`. So {@link pendingBytes} is exact, and a slow but living peer is told from a stuck one.
 */
export class TcpWire implements Wire {
  readonly remote: string
  readonly #socket: Socket
  #handler: WireHandler | undefined
  #queue: Uint8Array[] = []
  /** First chunk of the queue that is not yet with the socket. */
  #first = 0
  #pendingBytes = 0
  #isWriting = false
  #isEnding = false
  #isClosed = false

  constructor(socket: Socket, remote: string) {
    this.#socket = socket
    this.remote = remote
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /** Begins to hand events to `handler`. Call once. */
  start(handler: WireHandler): void {
    this.#handler = handler
    this.#socket.on('data', (chunk) => handler.handleBytes(chunk))
    // An error is always followed by 'close'; a reset by the peer is an everyday event.
    this.#socket.on('error', () => undefined)
    this.#socket.on('end', () => this.end())
    this.#socket.on('close', () => {
      this.#isClosed = true
      this.#queue = []
      this.#pendingBytes = 0
      handler.handleClosed()
    })
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#isEnding || this.#isClosed) return
    for (const chunk of chunks) {
      this.#pendingBytes += chunk.byteLength
      for (let at = 0; at < chunk.byteLength; at += WRITE_BYTES_MAX) {
        this.#queue.push(chunk.byteLength <= WRITE_BYTES_MAX ? chunk : chunk.subarray(at, at + WRITE_BYTES_MAX))
      }
    }
    if (!this.#isWriting) this.#writeSome()
  }

  end(): void {
    if (this.#isEnding || this.#isClosed) return
    this.#isEnding = true
    // Unread bytes would turn the close into a reset, and the peer would lose what was sent last.
    this.#socket.resume()
    if (!this.#isWriting) this.#socket.end()
    setTimeout(() => this.#socket.destroy(), LINGER_MS).unref()
  }

  destroy(): void {
    this.#isEnding = true
    this.#socket.destroy()
  }

  pause(): void {
    if (!this.#isEnding) this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  #writeSome(): void {
    const socket = this.#socket
    let bytes = 0
    let end = this.#first
    while (end < this.#queue.length && (bytes === 0 || bytes + this.#queue[end]!.byteLength <= WRITE_BYTES_MAX)) {
      bytes += this.#queue[end++]!.byteLength
    }
    this.#isWriting = true
    const done = (error?: Error | null): void => {
      if (!error) this.#handleWritten(bytes)
    }
    if (end - this.#first > 1) socket.cork()
    for (; this.#first < end; this.#first++) {
      const chunk = this.#queue[this.#first]!
      if (this.#first === end - 1) socket.write(chunk, done)
      else socket.write(chunk)
    }
    socket.uncork()
    if (this.#first === this.#queue.length || this.#first > 1024) {
      this.#queue = this.#queue.slice(this.#first)
      this.#first = 0
    }
  }

  #handleWritten(bytes: number): void {
    this.#isWriting = false
    if (this.#isClosed) return
    this.#pendingBytes -= bytes
    if (this.#pendingBytes > 0) this.#writeSome()
    else if (this.#isEnding) this.#socket.end()
    this.#handler?.handleProgress()
  }
}
