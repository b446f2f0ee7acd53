import { concatBytes, encodeFrame, type Packet, PacketType } from '@gomq/protocol'
import type { Broker } from '../../src/broker.js'
import type { Wire, WireHandler } from '../../src/wire.js'
import { PacketQueue } from './packet-queue.js'
import { connectPacket } from './packets.js'

/** A client on a wire in memory. With `isStuck`, what the broker writes stays pending. */
export class MemoryClient implements Wire {
  readonly remote = 'memory'
  readonly queue = new PacketQueue()
  pendingBytes = 0
  isStuck = false
  isPaused = false
  isEnded = false
  readonly #handler: WireHandler
  #stuck: Uint8Array[] = []

  constructor(broker: Broker) {
    this.#handler = broker.accept(this)
  }

  /** Connects and waits for CONNACK. */
  static async connect(broker: Broker, clientId: string | null = null): Promise<MemoryClient> {
    const client = new MemoryClient(broker)
    client.send(connectPacket({ clientId }))
    await client.queue.take(PacketType.CONNACK)
    return client
  }

  send(...packets: Packet[]): void {
    this.sendBytes(concatBytes(packets.map(encodeFrame)))
  }

  sendBytes(bytes: Uint8Array): void {
    if (!this.isEnded) this.#handler.handleBytes(bytes)
  }

  /** Lets out what is stuck. */
  drain(): void {
    this.isStuck = false
    const chunks = this.#stuck
    this.#stuck = []
    this.pendingBytes = 0
    for (const chunk of chunks) this.queue.handleBytes(chunk)
    this.#handler.handleProgress()
  }

  /** The client goes away. */
  disconnect(): void {
    this.#close()
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.isEnded) return
    for (const chunk of chunks) {
      if (this.isStuck) {
        this.#stuck.push(chunk)
        this.pendingBytes += chunk.byteLength
      } else queueMicrotask(() => this.queue.handleBytes(chunk))
    }
  }

  end(): void {
    if (this.isEnded) return
    this.isEnded = true
    queueMicrotask(() => this.#close())
  }

  destroy(): void {
    this.end()
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  #close(): void {
    if (this.queue.isClosed) return
    this.isEnded = true
    this.queue.handleClosed()
    this.#handler.handleClosed()
  }
}
