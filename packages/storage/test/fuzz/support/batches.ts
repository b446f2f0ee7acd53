import {
  Attribute,
  BatchBuilder,
  baseOffsetOf,
  epoch,
  nextOffsetOf,
  offset,
  producerId,
  RETENTION_DEFAULTS,
  type RetentionPolicy,
  stampLeader,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import type { SeededRandom } from '@gomq/protocol/testing'
import type { TwinRecord } from '../../support/retention-twin.js'
import { type Command, RETAINED_MARK } from './folded-state.js'
import { foundBatch, type TwinBatch } from './log-twin.js'

const TOPICS = ['a/1', 'a/2', 'b/1', 'b', 'c/x/y']
/** Filters of policies. */
export const FILTERS: readonly string[] = ['#', 'a/#', 'a/+', 'a/1', 'b/#', 'b', '+/1', 'c/+/y']

/** A batch to append, and what the twin is told of it. */
export interface MadeBatch {
  readonly batch: Uint8Array
  readonly twin: TwinBatch
  readonly records: readonly TwinRecord[]
}

/** Where and when a batch is appended. */
export interface Place {
  readonly base: number
  readonly epoch: number
  readonly timeMs: number
}

interface Message {
  readonly key: string | Uint8Array | null
  readonly value: string
}

/** A batch of commands. */
export function controlBatch(commands: readonly Command[], place: Place): MadeBatch {
  const messages = commands.map((command) => ({ key: null, value: JSON.stringify(command) }))
  return made(messages, '', 0, commands, place)
}

/** A batch of messages: some with keys, some tombstones, some expiring, some retained. */
export function dataBatch(random: SeededRandom, place: Place): MadeBatch {
  const topic = random.pick(TOPICS)
  if (random.chance(0.12)) {
    const value = `${RETAINED_MARK}${place.base}`.padEnd(random.below(200), '.')
    return made([{ key: null, value }], topic, 0, [['pin', topic, place.base]], place)
  }
  const messages: Message[] = []
  const valueBytesMax = random.chance(0.03) ? 5000 : 250
  for (let i = random.below(5); i >= 0; i--) {
    const name = `k${random.below(4)}`
    const key = random.chance(0.15) ? null : random.chance(0.1) ? Buffer.from(name) : name
    const value = random.chance(0.25) ? '' : `${place.base + messages.length}`.padEnd(random.below(valueBytesMax), '.')
    messages.push({ key, value })
  }
  return made(messages, topic, random.chance(0.1) ? 1 + random.below(60_000) : 0, [], place)
}

/** Any policy of the filter. */
export function randomPolicy(random: SeededRandom, filter: string): RetentionPolicy {
  const some = (p: number, max: number) => (random.chance(p) ? 1 + random.below(max) : null)
  return {
    ...RETENTION_DEFAULTS,
    filter,
    maxAgeMs: some(0.25, 120_000),
    maxBytes: some(0.25, 6000),
    maxCount: some(0.25, 40),
    isCompacted: random.chance(0.55),
    tombstoneMs: random.below(100_000),
  }
}

function made(
  messages: readonly Message[],
  topic: string,
  ttlMs: number,
  commands: readonly Command[],
  place: Place,
): MadeBatch {
  const isControl = topic === ''
  const builder = new BatchBuilder(topic, isControl ? Attribute.CONTROL : 1, ttlMs)
  for (const { key, value } of messages) builder.append({ timestampDeltaMs: 0, key, value, headers: null })
  const producer = { baseTimestampMs: 0, producerId: producerId(0), producerEpoch: 0, firstSequence: 0 }
  const batch = builder.finish(producer, crc32)
  stampLeader(batch, offset(place.base), epoch(place.epoch), place.timeMs)
  const base = baseOffsetOf(batch)
  const next = nextOffsetOf(batch)
  const facts = {
    base,
    end: next,
    bytes: batch.byteLength,
    timeMs: place.timeMs,
    ttlMs,
    isControl,
    isCompressed: false,
  }
  const records = foundBatch(batch).records.map(([at, bytes], index) => ({
    offset: at,
    topic,
    key: messages[index]!.key,
    isTombstone: messages[index]!.key !== null && messages[index]!.value === '',
    bytes,
    batch: facts,
    isGood: true,
  }))
  return { batch, twin: { base, next, topic, epoch: place.epoch, timeMs: place.timeMs, commands }, records }
}
