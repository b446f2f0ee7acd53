import {
  BatchBuilder,
  type ConnackPacket,
  type Epoch,
  type Offset,
  OffsetRanges,
  type Packet,
  PacketType,
  type ProducerId,
  recordCountOf,
  type SubscribePacket,
  stampLeader,
  topicMatches,
  topicOf,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { ModelBroker } from './model-broker.js'

/** A batch with text records at an offset, as a broker would deliver it. */
export function batchAt(offset: number, topic: string, ...values: (string | Uint8Array)[]): Uint8Array {
  const builder = new BatchBuilder(topic, 1)
  for (const value of values) builder.append({ timestampDeltaMs: 0, key: null, value, headers: null })
  const producer = { baseTimestampMs: 5000, producerId: 0 as ProducerId, producerEpoch: 0, firstSequence: 0 }
  const batch = builder.finish(producer, crc32)
  stampLeader(batch, offset as Offset, 1 as Epoch, 0)
  return batch
}

interface Durable {
  position: number
  unacked: OffsetRanges
}

/**
 * A broker in memory, one connection at a time, that keeps durable subscriptions and answers each packet at once. The last batch of each
 * topic counts as retained.
 */
export class ScriptedBroker {
  readonly model = new ModelBroker()
  readonly log: { readonly offset: number; readonly topic: string; readonly batch: Uint8Array }[] = []
  readonly durables = new Map<string, Durable>()
  readonly #attached = new Map<number, { packet: SubscribePacket; durable: Durable }>()

  handleClosed(): void {
    this.#attached.clear()
  }

  append(topic: string, ...values: string[]): Packet[] {
    const offset = this.log.length === 0 ? 0 : this.log.at(-1)!.offset + 10
    this.log.push({ offset, topic, batch: batchAt(offset, topic, ...values) })
    return [...this.#attached.keys()].flatMap((id) => this.#deliver(id))
  }

  handle(packet: Packet): Packet[] {
    switch (packet.type) {
      case PacketType.CONNECT:
        return [connack()]
      case PacketType.PUBLISH: {
        const answer = this.model.handlePublish(packet, null)
        return answer === undefined ? [] : [answer]
      }
      case PacketType.SUBSCRIBE:
        return this.#subscribe(packet)
      case PacketType.UNSUBSCRIBE: {
        const attached = this.#attached.get(packet.subscriptionId)
        this.#attached.delete(packet.subscriptionId)
        if (attached === undefined)
          return [{ type: PacketType.ERROR, requestId: packet.requestId, code: 'NO_SUCH_SUBSCRIPTION', message: '' }]
        if (packet.forget && attached.packet.name !== null) this.durables.delete(attached.packet.name)
        return [{ type: PacketType.UNSUBACK, requestId: packet.requestId }]
      }
      case PacketType.ACK: {
        const durable = this.#attached.get(packet.subscriptionId)?.durable
        for (let i = 0; i < packet.ranges.length; i += 2)
          durable?.unacked.remove(packet.ranges[i]!, packet.ranges[i + 1]!)
        return packet.requestId === 0 ? [] : [{ type: PacketType.ACKED, requestId: packet.requestId }]
      }
      default:
        return []
    }
  }

  #subscribe(packet: SubscribePacket): Packet[] {
    const known = packet.name === null ? undefined : this.durables.get(packet.name)
    const { from } = packet
    const end = (this.log.at(-1)?.offset ?? -10) + 10
    const start = from.kind === 'offset' ? from.offset : from.kind === 'earliest' ? 0 : end
    const durable = known ?? { position: start, unacked: new OffsetRanges() }
    if (packet.name !== null) this.durables.set(packet.name, durable)
    durable.position = Math.min(durable.position, durable.unacked.min ?? durable.position)
    this.#attached.set(packet.subscriptionId, { packet, durable })
    const suback: Packet = {
      type: PacketType.SUBACK,
      requestId: packet.requestId,
      subscriptionId: packet.subscriptionId,
      startOffset: durable.position as Offset,
      resumed: known !== undefined,
    }
    const retained = packet.retained && known === undefined ? this.#retained(packet, start) : []
    const delivered = this.#deliver(packet.subscriptionId)
    return [
      suback,
      ...retained,
      ...delivered,
      { type: PacketType.TAIL, subscriptionId: packet.subscriptionId, offset: end as Offset },
    ]
  }

  #retained({ subscriptionId, filters }: SubscribePacket, start: number): Packet[] {
    const last = new Map(this.log.map(({ topic, batch }) => [topic, batch]))
    return this.log
      .filter(
        ({ offset, topic, batch }) =>
          offset < start && last.get(topic) === batch && filters.some((each) => topicMatches(each, topic)),
      )
      .map(({ batch }) => ({ type: PacketType.DELIVER, subscriptionId, header: null, ranges: null, payload: batch }))
  }

  #deliver(subscriptionId: number): Packet[] {
    const { packet, durable } = this.#attached.get(subscriptionId)!
    const delivered: Packet[] = []
    for (const { offset, batch } of this.log) {
      if (offset < durable.position || !packet.filters.some((filter) => topicMatches(filter, topicOf(batch)))) continue
      durable.position = offset + 10
      delivered.push({ type: PacketType.DELIVER, subscriptionId, header: null, ranges: null, payload: batch })
      if (packet.name !== null && packet.qos > 0) durable.unacked.add(offset, offset + recordCountOf(batch))
    }
    return delivered
  }
}

/** An answer to CONNECT. */
export function connack(init: Partial<ConnackPacket> = {}): ConnackPacket {
  return {
    type: PacketType.CONNACK,
    requestId: 1,
    version: 1,
    features: [],
    clientId: 'c',
    sessionPresent: false,
    brokerId: 'b',
    epoch: 1 as Epoch,
    brokerVersion: '0.1.0',
    frameBytesMax: 5_000_000,
    messageBytesMax: 4_000_000,
    keepAliveSec: 30,
    inflightBatchesMax: 4,
    sessionExpirySec: 0,
    ...init,
  }
}
