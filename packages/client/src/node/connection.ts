import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import {
  CONNECT_FRAME_BYTES_MAX,
  decodePacket,
  encodeFrame,
  encodeFrameHead,
  FrameSplitter,
  GomqError,
  type Packet,
  PacketType,
} from '@gomq/protocol'
import type { Address } from './address.js'
import { TurnOutput } from './turn-output.js'

/** Bytes of output that wait for the socket before the connection calls itself blocked. */
const OUTPUT_BYTES_MAX = 1024 * 1024

/** Milliseconds that the peer gets to read the last packets. Stops one that never reads from holding the client. */
const END_MS_MAX = 1000

/** What a connection tells its owner. */
export interface ConnectionHandler {
  handleOpen(): void
  /** What it throws closes the connection. */
  handlePacket(packet: Packet): void
  /** All packets of a chunk were handed over. */
  handlePause(): void
  handleBlocked(isBlocked: boolean): void
  /** Once, also when it never opened. */
  handleClosed(error: GomqError): void
}

/** One socket that speaks frames. */
export class Connection {
  readonly #socket: Socket
  readonly #splitter = new FrameSplitter(CONNECT_FRAME_BYTES_MAX)
  readonly #handler: ConnectionHandler
  readonly #address: Address
  readonly #output = new TurnOutput()
  #isBlocked = false
  #isEnded = false
  #error: GomqError | null = null

  constructor(address: Address, handler: ConnectionHandler) {
    this.#address = address
    this.#handler = handler
    const { host, port } = address
    this.#socket = address.isTls
      ? connectTls({ host, port, servername: host })
      : connectTcp({ host, port, noDelay: true })
    this.#socket.once(address.isTls ? 'secureConnect' : 'connect', () => {
      if (!this.#isEnded) handler.handleOpen()
    })
    this.#socket.on('data', (chunk: Uint8Array) => this.#handleData(chunk))
    this.#socket.on('drain', () => this.#setBlocked(false))
    this.#socket.on('error', (cause) => this.#fail(cause))
    this.#socket.once('close', () => {
      this.#isEnded = true
      handler.handleClosed(this.#error ?? new GomqError('CONNECTION_LOST', `${address.text} closed the connection`))
    })
  }

  /** The bound on frames that holds after the handshake. */
  set frameBytesMax(bytes: number) {
    this.#splitter.frameBytesMax = bytes
  }

  /** Writes a packet; those of one turn leave together. Ignored after the end. */
  send(packet: Packet): void {
    if (this.#isEnded || this.#socket.destroyed) return
    if (this.#output.bytes === 0) queueMicrotask(() => this.#write())
    if (packet.type === PacketType.PUBLISH) {
      this.#output.add(encodeFrameHead(packet))
      this.#output.add(packet.batch)
    } else this.#output.add(encodeFrame(packet))
    if (this.#output.bytes + this.#socket.writableLength > OUTPUT_BYTES_MAX) this.#setBlocked(true)
  }

  /** Ends after what was sent; nothing comes in any more. */
  end(error: GomqError | null): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#error ??= error
    this.#write()
    this.#socket.end(() => this.#socket.destroy())
    const deadline = setTimeout(() => this.#socket.destroy(), END_MS_MAX)
    this.#socket.once('close', () => clearTimeout(deadline))
  }

  /** Ends at once. */
  destroy(error: GomqError): void {
    this.#isEnded = true
    this.#error ??= error
    this.#socket.destroy()
  }

  /** Writes what was sent in this turn. After it nothing waits, and nothing is done. */
  #write(): void {
    const writes = this.#output.take()
    if (writes.length === 0 || this.#socket.destroyed) return
    this.#socket.cork()
    for (const bytes of writes) this.#socket.write(bytes)
    this.#socket.uncork()
  }

  #handleData(chunk: Uint8Array): void {
    if (this.#isEnded) return
    try {
      this.#splitter.push(chunk)
      for (let frame = this.#splitter.next(); frame !== undefined; frame = this.#splitter.next()) {
        this.#handler.handlePacket(decodePacket(frame))
        if (this.#isEnded) return
      }
    } catch (error) {
      this.destroy(GomqError.from(error))
      return
    }
    this.#handler.handlePause()
    this.#write()
  }

  #setBlocked(isBlocked: boolean): void {
    if (this.#isBlocked === isBlocked) return
    this.#isBlocked = isBlocked
    this.#handler.handleBlocked(isBlocked)
  }

  #fail(cause: Error): void {
    const reason = cause.message === '' ? ((cause as NodeJS.ErrnoException).code ?? cause.name) : cause.message
    this.#error ??= new GomqError('UNAVAILABLE', `no connection to ${this.#address.text}: ${reason}`, { cause })
  }
}
