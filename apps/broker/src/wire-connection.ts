import {
  CONNECT_FRAME_BYTES_MAX,
  type DisconnectPacket,
  decodePacket,
  type ErrorCode,
  FrameSplitter,
  GomqError,
  type Packet,
  PacketType,
  REASON_LENGTH_MAX,
} from '@gomq/protocol'
import { FrameWriter } from './frame-writer.js'
import { PARTIAL_FRAMES_BYTES_MAX, PENDING_OUTPUT_BYTES_LOW, PENDING_OUTPUT_BYTES_MAX } from './limits.js'
import type { Peer } from './peer.js'
import type { Wire, WireHandler } from './wire.js'

/** What a connection asks of its broker. `handle*` of the broker lead into the engine. */
export interface ConnectionHost {
  /** Bytes of incomplete frames over all connections; each connection keeps its own share in it up to date. */
  partialFrameBytes: number
  nowMs(): number
  /** Runs one input of the engine and flushes what it caused. */
  step(run: () => void): void
  /** A packet from the connection, within a step. @param nowMs  the same for all packets of a chunk */
  handlePacket(connection: WireConnection, packet: Packet, nowMs: number): void
  /** Whether publishers are to wait for the disk; asked after each chunk. */
  handleRead(connection: WireConnection): void
  handleEstablished(connection: WireConnection): void
  handleBlocked(connection: WireConnection): void
  handleWritable(connection: WireConnection): void
  /** The connection is over: the engine and the broker forget it. Within a step. */
  handleOver(connection: WireConnection, reason: ErrorCode | null, message: string): void
  /** Its wire has closed as well. */
  handleWireClosed(connection: WireConnection): void
}

/** Why a wire is not read from; bits, since several may hold. */
export const PauseReason = { OUTPUT: 1, DISK: 2, STOPPING: 4, HELD: 8, SUBSCRIBER: 16 } as const
const ALL_REASONS = 31

/**
 * A native client on a wire: bytes to packets, packets to bytes, and the bounds of both. An error here closes this connection with
 * a reason and touches no other.
 */
export class WireConnection implements Peer, WireHandler {
  readonly connectionId: number
  readonly startedMs: number
  readonly #wire: Wire
  readonly #host: ConnectionHost
  readonly #splitter = new FrameSplitter(CONNECT_FRAME_BYTES_MAX)
  readonly #frames = new FrameWriter()
  #isOpen = true
  #isEstablished = false
  #isBlocked = false
  #pauseReasons = 0
  /** The splitter's share in the host's count. */
  #partialBytes = 0
  /** When output last moved, or began to be too much. */
  #progressMs = 0

  constructor(connectionId: number, wire: Wire, host: ConnectionHost) {
    this.connectionId = connectionId
    this.#wire = wire
    this.#host = host
    this.startedMs = host.nowMs()
  }

  get remote(): string {
    return this.#wire.remote
  }

  /** Whether the client has completed CONNECT. */
  get isEstablished(): boolean {
    return this.#isEstablished
  }

  /** Whether packets of the client are still taken. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** When output last moved; meaningful while the connection is blocked. */
  get progressMs(): number {
    return this.#progressMs
  }

  /** Bytes that wait for the client to read them. */
  get pendingBytes(): number {
    return this.#wire.pendingBytes
  }

  handleBytes(chunk: Uint8Array): void {
    if (!this.#isOpen) return
    this.#host.step(() => this.#takeFrames(chunk))
  }

  handleProgress(): void {
    if (!this.#isBlocked) return
    this.#progressMs = this.#host.nowMs()
    if (this.#wire.pendingBytes > PENDING_OUTPUT_BYTES_LOW) return
    this.#isBlocked = false
    this.resume(PauseReason.OUTPUT)
    if (this.#isOpen) this.#host.step(() => this.#host.handleWritable(this))
  }

  handleClosed(): void {
    this.#isBlocked = false
    if (this.#isOpen) this.#host.step(() => this.#finish(null, 'the client is gone'))
    this.#host.handleWireClosed(this)
  }

  send(packet: Packet): void {
    if (packet.type === PacketType.CONNACK) {
      this.#isEstablished = true
      this.#splitter.frameBytesMax = packet.frameBytesMax
      this.#host.handleEstablished(this)
    }
    this.#frames.add(packet)
  }

  close(): void {
    if (this.#isOpen) this.#finish(null, 'closed by the broker')
  }

  /** Tells the client why, and closes. Within a step. */
  refuse(code: ErrorCode, message: string): void {
    if (!this.#isOpen) return
    this.#frames.add(disconnect(code, message))
    this.#finish(code, message)
  }

  flush(): void {
    const chunks = this.#frames.take()
    if (chunks.length > 0) this.#wire.write(chunks)
    if (!this.#isOpen) this.#wire.end()
    else if (!this.#isBlocked && this.#wire.pendingBytes > PENDING_OUTPUT_BYTES_MAX) {
      this.#isBlocked = true
      this.#progressMs = this.#host.nowMs()
      this.pause(PauseReason.OUTPUT)
      this.#host.handleBlocked(this)
    }
  }

  /** Stops reading from the client, for one reason more. */
  pause(reason: number): void {
    if (this.#pauseReasons === 0) this.#wire.pause()
    this.#pauseReasons |= reason
  }

  /** Takes one reason back. */
  resume(reason: number): void {
    if (this.#pauseReasons === 0) return
    this.#pauseReasons &= ~reason
    if (this.#pauseReasons === 0) this.#wire.resume()
  }

  /** Tells the client why, and closes, without a word to the broker: what waited to be sent is not. @param leader  as in DISCONNECT */
  abandon(code: ErrorCode, message: string, leader: string | null): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.resume(ALL_REASONS)
    this.#frames.take()
    this.#frames.add({ ...disconnect(code, message), leader })
    this.flush()
  }

  #takeFrames(chunk: Uint8Array): void {
    try {
      this.#splitter.push(chunk)
      const nowMs = this.#host.nowMs()
      for (;;) {
        const frame = this.#splitter.next()
        if (frame === undefined) break
        this.#host.handlePacket(this, decode(frame), nowMs)
        if (!this.#isOpen) return
      }
      this.#countPartial(this.#splitter.bufferedBytes)
    } catch (error) {
      if (!(error instanceof GomqError)) throw error
      this.refuse(error.code, error.message)
      return
    }
    this.#host.handleRead(this)
  }

  #countPartial(bytes: number): void {
    const host = this.#host
    host.partialFrameBytes += bytes - this.#partialBytes
    this.#partialBytes = bytes
    if (host.partialFrameBytes > PARTIAL_FRAMES_BYTES_MAX && bytes > CONNECT_FRAME_BYTES_MAX) {
      throw new GomqError(
        'LIMIT_EXCEEDED',
        `incomplete frames of all clients take ${host.partialFrameBytes} bytes; the limit is ${PARTIAL_FRAMES_BYTES_MAX}; connect again later`,
      )
    }
  }

  #finish(reason: ErrorCode | null, message: string): void {
    this.#isOpen = false
    this.#host.partialFrameBytes -= this.#partialBytes
    this.#partialBytes = 0
    // What the client still sends is read and dropped: a socket closed over unread bytes loses the reason that was sent.
    this.resume(ALL_REASONS)
    this.#host.handleOver(this, reason, message)
  }
}

function disconnect(code: ErrorCode, message: string): DisconnectPacket {
  return { type: PacketType.DISCONNECT, code, message: message.slice(0, REASON_LENGTH_MAX) }
}

/** Whatever decoding trips over is the fault of the bytes: nothing but them goes in. */
function decode(frame: Uint8Array): Packet {
  try {
    return decodePacket(frame)
  } catch (error) {
    throw GomqError.from(error, 'MALFORMED_FRAME')
  }
}
