import {
  type Crc32,
  type Offset,
  type Packet,
  PacketType,
  type ProducerId,
  RETENTION_DEFAULTS,
  stampProducer,
} from '@gomq/protocol'
import type { Cleaner, CleaningRules } from '@gomq/storage'

/**
 * Bugs that are planted to prove that the simulator sees them: a log that acknowledges before the sync, a producer without
 * identity, a consumer that resumes one message too far, an acknowledgement that is lost on its way;
 * a cleaner that ignores what is retained, lets a floor govern every topic, finds floors too high, or goes beyond what the snapshots hold.
 */
export const PLANTS = [
  'unsynced-acks',
  'no-dedupe',
  'skipped-offset',
  'lost-acks',
  'unpinned',
  'wide-floor',
  'high-floors',
  'beyond-snapshot',
] as const

/**
 * Bugs of a cluster: a member that confirms what it has not synced, a leader that counts itself before it has, one that takes leaders of older epochs, a candidate that goes by the in-sync
 * set in which it was last, histories that are compared by their length alone, an election in which everybody may stand.
 */
export const CLUSTER_PLANTS = [
  'early-confirmations',
  'unsynced-leader',
  'no-epoch-check',
  'stale-in-sync-set',
  'no-truncation',
  'unclean-election',
] as const

/** One of {@link PLANTS} or {@link CLUSTER_PLANTS}. */
export type Plant = (typeof PLANTS)[number] | (typeof CLUSTER_PLANTS)[number]

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

/** The cleaner with the planted bug. */
export function plantedCleaner(plant: Plant | null, cleaner: Cleaner): Cleaner {
  return {
    survey: async (log, rules) => {
      const result = await cleaner.survey(log, rules)
      if (plant !== 'high-floors') return result
      const floors = result.floors.map(({ filter }) => ({ filter, before: log.highWatermark }))
      return { ...result, floors }
    },
    clean: (log, rules, budgetBytes) => cleaner.clean(log, plantedRules(plant, rules, log.highWatermark), budgetBytes),
  }
}

function plantedRules(plant: Plant | null, rules: CleaningRules, highWatermark: Offset): CleaningRules {
  if (plant === 'unpinned') return { ...rules, pinned: new Float64Array(0) }
  if (plant === 'beyond-snapshot') return { ...rules, cleanableTo: highWatermark }
  if (plant !== 'wide-floor') return rules
  const before = rules.rules.reduce((max, rule) => Math.max(max, rule.before), 0) as Offset
  return { ...rules, rules: [...rules.rules, { policy: { filter: '#', ...RETENTION_DEFAULTS }, before }] }
}
