import {
  baseOffsetOf,
  DeliveredRecords,
  type Epoch,
  type ErrorCode,
  firstSequenceOf,
  type Offset,
  type Packet,
  PacketType,
  type PublishPacket,
  producerEpochOf,
  producerIdOf,
  recordCountOf,
  stampLeader,
  topicOf,
} from '@gomq/protocol'
import { crc32, inflate } from '@gomq/protocol/node'

/** A message as the model has stored it. */
export interface Stored {
  readonly topic: string
  readonly text: string
  readonly offset: number
}

/** The dumbest broker that keeps the producer's contract: it stores every first sight of a sequence, and remembers all of them. */
export class ModelBroker {
  readonly stored: Stored[] = []
  readonly #next = new Map<number, { epoch: number; sequence: number; known: Map<number, number> }>()

  /** The answer to a publish; `refusal` refuses it unless it is a repetition of what is stored. */
  handlePublish(packet: PublishPacket, refusal: ErrorCode | null): Packet | undefined {
    const batch = packet.batch.slice()
    const text = new TextDecoder()
    const refuse = (code: ErrorCode): Packet => ({
      type: PacketType.ERROR,
      requestId: packet.requestId,
      code,
      message: '',
    })
    if (packet.requestId === 0) return undefined
    const id = producerIdOf(batch)
    const epoch = producerEpochOf(batch)
    const first = firstSequenceOf(batch)
    const isKnown = this.#next.get(id)?.epoch === epoch && this.#next.get(id)!.known.has(first)
    if (refusal !== null && !isKnown) return refuse(refusal)
    let producer = this.#next.get(id)
    if (producer === undefined) {
      if (first !== 0) return refuse('OUTCOME_UNKNOWN')
      producer = { epoch, sequence: 0, known: new Map() }
      this.#next.set(id, producer)
    }
    if (epoch < producer.epoch) return refuse('PRODUCER_FENCED')
    if (epoch > producer.epoch) {
      if (first !== 0) return refuse('OUT_OF_SEQUENCE')
      producer.epoch = epoch
      producer.sequence = 0
      producer.known.clear()
    }
    let base = producer.known.get(first)
    if (base === undefined) {
      if (first !== producer.sequence) return refuse('OUT_OF_SEQUENCE')
      base = this.stored.length
      stampLeader(batch, base as Offset, 1 as Epoch, 0)
      const records = DeliveredRecords.ofBatch(batch, crc32, { inflate })
      for (let i = 0; i < recordCountOf(batch); i++)
        this.stored.push({
          topic: topicOf(batch),
          text: text.decode(records.record(i).value),
          offset: baseOffsetOf(batch) + i,
        })
      producer.known.set(first, base)
      producer.sequence += recordCountOf(batch)
    }
    return {
      type: PacketType.PUBACK,
      requestId: packet.requestId,
      baseOffset: base as Offset,
      epoch: 1 as Epoch,
      durability: 'synced',
    }
  }
}
