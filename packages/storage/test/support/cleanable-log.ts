import {
  Attribute,
  BatchBuilder,
  baseOffsetOf,
  epoch,
  offset,
  presentRanges,
  producerId,
  RETENTION_DEFAULTS,
  type RetentionPolicy,
  stampLeader,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import type { CleaningRules } from '../../src/cleaning/rules.js'
import type { Log } from '../../src/log.js'
import { SimDisk } from '../../src/testing/sim-disk.js'
import { openSimLog, settle } from './open-sim-log.js'

/** Bytes of a segment of {@link start}. */
export const SEGMENT_BYTES = 2500

/** A message to append. */
export interface Put {
  topic?: string
  key?: string | null
  value?: string
  control?: boolean
  ttlMs?: number
}

/** A log with small segments and nothing in memory, what appends to it, and rules of one policy for it. */
export async function start(disk: SimDisk = new SimDisk(new SeededRandom(1))) {
  const { log } = await openSimLog(disk, { segmentBytes: SEGMENT_BYTES, tailCacheBytes: 0 })
  log.setHighWatermark(log.logEndOffset)
  const put = async (records: Put[], perBatch = 1) => {
    for (let at = 0; at < records.length; at += perBatch) {
      const { topic = 'a', control = false, ttlMs = 0 } = records[at]!
      const builder = new BatchBuilder(control ? '' : topic, control ? Attribute.CONTROL : 1, ttlMs)
      for (const { key = null, value = 'x'.repeat(40) } of records.slice(at, at + perBatch))
        builder.append({ timestampDeltaMs: 0, key, value, headers: null })
      const producer = { baseTimestampMs: 0, producerId: producerId(0), producerEpoch: 0, firstSequence: 0 }
      const batch = builder.finish(producer, crc32)
      stampLeader(batch, log.logEndOffset, epoch(1), 1000 + log.logEndOffset)
      log.append(batch)
    }
    await settle()
    while (log.syncedOffset < log.logEndOffset) await settle()
    log.setHighWatermark(log.syncedOffset)
  }
  const rules = (
    policy: Partial<RetentionPolicy>,
    before = 0,
    changed: Partial<CleaningRules> = {},
  ): CleaningRules => ({
    rules: [{ policy: { ...RETENTION_DEFAULTS, filter: '#', ...policy }, before: offset(before) }],
    pinned: new Float64Array(0),
    cleanableTo: log.highWatermark,
    nowMs: 1_000_000,
    ...changed,
  })
  return { disk, log, put, rules }
}

/** The offset of every record in the log. */
export async function offsetsOf(log: Log): Promise<number[]> {
  const offsets: number[] = []
  await log.replay(log.logStartOffset, (batch) => {
    const ranges = presentRanges(batch)
    for (let i = 0; i < ranges.length; i += 2)
      for (let index = ranges[i]!; index < ranges[i + 1]!; index++) offsets.push(baseOffsetOf(batch) + index)
  })
  return offsets
}

/** 0, 1, 2, ... to before `end`. */
export const upTo = (end: number) => Array.from({ length: end }, (_, i) => i)
/** So many messages, each made from its number. */
export const many = (count: number, one: (i: number) => Put = () => ({})): Put[] => upTo(count).map(one)
