import {
  type DeliverPacket,
  type ErrorCode,
  GomqError,
  type Offset,
  type Packet,
  PacketType,
  type StartPosition,
} from '@gomq/protocol'
import { type DoorHost, doorConnect } from './door-host.js'
import type { Peer } from './peer.js'

const SUBSCRIBE_REQUEST = 2
const SUBSCRIPTION = 1

/** What a reading door subscribes to. */
export interface DoorSubscription {
  readonly filters: string[]
  readonly from: StartPosition
  /** Whether the retained messages from below the start come first. */
  readonly retained: boolean
  /** Messages and bytes that may be delivered before {@link ReadingDoor.addCredit}. */
  readonly creditMessages: number
  readonly creditBytes: number
}

/** Who reads through a door. What it throws ends the door with that error. */
export interface DoorReader {
  /** The subscription stands; everything stored from `startOffset` on will be delivered. Comes first. */
  handleSubscribed(startOffset: Offset): void
  handleDelivery(packet: DeliverPacket): void
  /** Everything stored below `offset` was delivered. */
  handleTail(offset: Offset): void
  /** Retention removed what stood from `from` on and below `to` before it was delivered; reading goes on at `to`. */
  handleMissed(from: Offset, to: Offset): void
  /** Nothing more comes: refused, or the broker stops. Comes last, and not after {@link ReadingDoor.end}. */
  handleEnded(error: GomqError): void
}

/**
 * A client of the broker's own that reads one subscription, such as one event stream of HTTP. What its reader has not taken stays in
 * the log: without credit it costs a position.
 */
export class ReadingDoor implements Peer {
  readonly connectionId: number
  readonly #host: DoorHost
  readonly #subscription: DoorSubscription
  readonly #reader: DoorReader
  #received: Packet[] = []
  #isOver = false

  constructor(connectionId: number, host: DoorHost, subscription: DoorSubscription, reader: DoorReader) {
    this.connectionId = connectionId
    this.#host = host
    this.#subscription = subscription
    this.#reader = reader
  }

  /** Introduces the door to the engine; the subscription follows. */
  connect(agent: string): void {
    this.#host.handleDoorPacket(this, doorConnect(agent))
  }

  /** More may be delivered. */
  addCredit(messages: number, bytes: number): void {
    this.#give({ type: PacketType.CREDIT, subscriptionId: SUBSCRIPTION, messages, bytes })
  }

  /** Keeps the engine from taking the door for dead. */
  ping(): void {
    this.#give({ type: PacketType.PINGREQ, requestId: 1 })
  }

  /** The reader wants no more. Again: nothing happens. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#received = []
    this.#host.handleDoorOver(this)
  }

  send(packet: Packet): void {
    this.#received.push(packet)
  }

  close(): void {
    // The engine's last word stands among what was sent.
    this.flush()
    this.#fail('SHUTTING_DOWN', 'the broker is stopping; try again later')
  }

  flush(): void {
    const received = this.#received
    this.#received = []
    try {
      for (const packet of received) if (!this.#isOver) this.#take(packet)
    } catch (error) {
      // Whatever a reader trips over is its own: the engine's step goes on.
      const { code, message } = GomqError.from(error)
      this.#fail(code, message)
    }
  }

  #take(packet: Packet): void {
    if (packet.type === PacketType.DELIVER) this.#reader.handleDelivery(packet)
    else if (packet.type === PacketType.TAIL) this.#reader.handleTail(packet.offset)
    else if (packet.type === PacketType.MISSED) this.#reader.handleMissed(packet.from, packet.to)
    else if (packet.type === PacketType.SUBACK) this.#reader.handleSubscribed(packet.startOffset)
    else if (packet.type === PacketType.CONNACK) this.#subscribe()
    else if (packet.type === PacketType.ERROR) this.#fail(packet.code, packet.message)
    else if (packet.type === PacketType.DISCONNECT) this.#fail(packet.code ?? 'SHUTTING_DOWN', packet.message)
  }

  #subscribe(): void {
    this.#give({
      type: PacketType.SUBSCRIBE,
      requestId: SUBSCRIBE_REQUEST,
      subscriptionId: SUBSCRIPTION,
      qos: 0,
      name: null,
      ...this.#subscription,
    })
  }

  #give(packet: Packet): void {
    if (!this.#isOver) this.#host.handleDoorPacket(this, packet)
  }

  #fail(code: ErrorCode, message: string): void {
    if (this.#isOver) return
    this.end()
    this.#reader.handleEnded(new GomqError(code, message))
  }
}
