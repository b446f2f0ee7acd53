import {
  type Epoch,
  NO_OFFSET,
  type Offset,
  type Packet,
  PacketType,
  type SubscribePacket,
  stampLeader,
  topicMatches,
  topicOf,
} from '@gomq/protocol'
import { connack } from './scripted-broker.js'
import { TcpBroker } from './tcp-broker.js'

/** A broker on a TCP port that delivers what is published to whoever listens at that moment, and keeps nothing for the next. */
export class LoopbackBroker {
  intercept: (packet: Packet) => Packet[] | undefined = () => undefined
  /** Half-open ranges of offsets that were acknowledged. */
  readonly acked: number[][] = []
  readonly #tcp: TcpBroker
  readonly #listening = new Map<number, SubscribePacket>()
  #nextOffset = 0

  private constructor(tcp: TcpBroker) {
    this.#tcp = tcp
    tcp.intercept = (packet) => this.intercept(packet) ?? this.#handle(packet)
  }

  static async start(): Promise<LoopbackBroker> {
    return new LoopbackBroker(await TcpBroker.start())
  }

  get url(): string {
    return this.#tcp.url
  }

  /** Every SUBSCRIBE whose first filter begins with `prefix`. */
  subscribes(prefix: string): SubscribePacket[] {
    return this.#tcp.received.filter(
      (each) => each.type === PacketType.SUBSCRIBE && each.filters[0]!.startsWith(prefix),
    ) as SubscribePacket[]
  }

  /** What was published to a topic. */
  batches(topic: string): Uint8Array[] {
    return this.#tcp.received.flatMap((each) =>
      each.type === PacketType.PUBLISH && topicOf(each.batch) === topic ? [each.batch] : [],
    )
  }

  drop(): void {
    this.#tcp.drop()
  }

  stop(): Promise<void> {
    return this.#tcp.stop()
  }

  #handle(packet: Packet): Packet[] {
    const { requestId } = packet as { requestId: number }
    switch (packet.type) {
      case PacketType.CONNECT:
        this.#listening.clear()
        return [connack()]
      case PacketType.SUBSCRIBE: {
        this.#listening.set(packet.subscriptionId, packet)
        const { subscriptionId } = packet
        return [{ type: PacketType.SUBACK, requestId, subscriptionId, startOffset: 0 as Offset, resumed: false }]
      }
      case PacketType.UNSUBSCRIBE:
        this.#listening.delete(packet.subscriptionId)
        return [{ type: PacketType.UNSUBACK, requestId }]
      case PacketType.ACK:
        this.acked.push(packet.ranges)
        return requestId === 0 ? [] : [{ type: PacketType.ACKED, requestId }]
      case PacketType.PUBLISH: {
        const payload = packet.batch.slice()
        const baseOffset = (requestId === 0 ? NO_OFFSET : (this.#nextOffset += 100)) as Offset
        stampLeader(payload, baseOffset, 1 as Epoch, 0)
        const heard = [...this.#listening.values()].filter((each) =>
          each.filters.some((filter) => topicMatches(filter, topicOf(payload))),
        )
        const delivered = heard.map(
          ({ subscriptionId }): Packet => ({
            type: PacketType.DELIVER,
            subscriptionId,
            header: null,
            ranges: null,
            payload,
          }),
        )
        if (requestId === 0) return delivered
        return [
          ...delivered,
          { type: PacketType.PUBACK, requestId, baseOffset, epoch: 1 as Epoch, durability: 'synced' },
        ]
      }
      default:
        return []
    }
  }
}
