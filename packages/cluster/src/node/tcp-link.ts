import type { Socket } from 'node:net'
import { FrameSplitter, plainBytes } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { decodeMessage, encodeMessage } from '../message-codec.js'
import type { ReplicaMessage } from '../messages.js'
import type { Link, LinkHandler } from '../transport.js'

/** Greatest frame: a batch of the greatest message, and what is around it. */
const FRAME_BYTES_MAX = 96 << 20

/** A TCP connection to another broker, after the handshake. */
export class TcpLink implements Link {
  readonly remote: string
  readonly #socket: Socket
  readonly #splitter = new FrameSplitter(FRAME_BYTES_MAX)
  readonly #onError: (reason: string) => void
  #handler: LinkHandler | undefined
  #isClosed = false

  constructor(socket: Socket, remote: string, onError: (reason: string) => void) {
    this.#socket = socket
    this.remote = remote
    this.#onError = onError
  }

  get pendingBytes(): number {
    return this.#socket.writableLength
  }

  /** Begins to hand messages to `handler`. Call once. @param first  bytes that have come already */
  start(handler: LinkHandler, first: Uint8Array): void {
    this.#handler = handler
    const socket = this.#socket
    socket.on('data', (chunk) => this.#take(chunk))
    // An error is always followed by 'close'.
    socket.on('error', () => undefined)
    socket.on('drain', () => this.#isClosed || handler.handleDrained())
    socket.on('close', () => this.#close())
    socket.on('end', () => socket.destroy())
    if (socket.destroyed) this.#close()
    else {
      this.#take(first)
      socket.resume()
    }
  }

  send(message: ReplicaMessage): void {
    if (this.#isClosed) return
    this.#socket.cork()
    for (const chunk of encodeMessage(message, crc32)) this.#socket.write(chunk)
    process.nextTick(() => this.#socket.uncork())
  }

  close(): void {
    if (this.#isClosed) return
    this.#socket.destroySoon()
    this.#close()
  }

  #take(chunk: Uint8Array): void {
    if (this.#isClosed) return
    try {
      this.#splitter.push(plainBytes(chunk))
      for (let frame = this.#splitter.next(); frame !== undefined; frame = this.#splitter.next()) {
        if (this.#isClosed) return
        this.#handler!.handleMessage(decodeMessage(frame, crc32))
      }
    } catch (error) {
      this.#onError(error instanceof Error ? error.message : String(error))
      this.#socket.destroy()
      this.#close()
    }
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#handler?.handleClosed()
  }
}
