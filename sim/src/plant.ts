import { type Crc32, type Offset, type Packet, PacketType, type ProducerId, stampProducer } from '@gomq/protocol'

/**
 * Bugs that are planted to prove that the simulator sees them: a log that acknowledges before the sync, a producer without
 * identity, a consumer that resumes one message too far, an acknowledgement that is lost on its way.
 */
export const PLANTS = ['unsynced-acks', 'no-dedupe', 'skipped-offset', 'lost-acks'] as const

/** One of {@link PLANTS}. */
export type Plant = (typeof PLANTS)[number]

/** What a client with the planted bug sends in place of `packet`. */
export function plantedPacket(plant: Plant | null, packet: Packet, crc32: Crc32): Packet {
  if (plant === 'no-dedupe' && packet.type === PacketType.PUBLISH) {
    const batch = packet.batch.slice()
    stampProducer(batch, { producerId: 0 as ProducerId, producerEpoch: 0, firstSequence: 0 }, crc32)
    return { ...packet, batch }
  }
  if (plant === 'skipped-offset' && packet.type === PacketType.SUBSCRIBE && packet.from.kind === 'offset')
    return { ...packet, from: { kind: 'offset', offset: (packet.from.offset + 1) as Offset } }
  if (plant === 'lost-acks' && packet.type === PacketType.ACK) return { ...packet, ranges: [2 ** 40, 2 ** 40 + 1] }
  return packet
}
