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
import { describe, expect, test } from 'vitest'
import { type CleanableLog, createCleaner } from '../../src/cleaning/cleaner.js'
import type { CleaningRules } from '../../src/cleaning/rules.js'
import type { FileSystem } from '../../src/file-system.js'
import type { Log } from '../../src/log.js'
import { SimDisk } from '../../src/testing/sim-disk.js'
import { faultyFiles, systemError } from '../support/faulty-files.js'
import { openSimLog, settle } from '../support/open-sim-log.js'

const SEGMENT_BYTES = 2500

interface Put {
  topic?: string
  key?: string | null
  value?: string
  control?: boolean
  ttlMs?: number
}

async function start(disk: SimDisk = new SimDisk(new SeededRandom(1))) {
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
async function offsetsOf(log: Log): Promise<number[]> {
  const offsets: number[] = []
  await log.replay(log.logStartOffset, (batch) => {
    const ranges = presentRanges(batch)
    for (let i = 0; i < ranges.length; i += 2)
      for (let index = ranges[i]!; index < ranges[i + 1]!; index++) offsets.push(baseOffsetOf(batch) + index)
  })
  return offsets
}

const upTo = (end: number) => Array.from({ length: end }, (_, i) => i)
const many = (count: number, one: (i: number) => Put = () => ({})): Put[] => upTo(count).map(one)

describe('a survey', () => {
  test.each<[string, Partial<RetentionPolicy>, number | undefined]>([
    ['age', { maxAgeMs: 1_000_000 - 1049 }, 50],
    ['count', { maxCount: 30 }, 70],
    ['bytes', { maxBytes: 10 * 155 }, 90],
    ['the bound that is reached first', { maxCount: 30, maxAgeMs: 1_000_000 - 1079 }, 80],
    ['nothing', {}, undefined],
    ['a bound that is not reached', { maxCount: 100, maxBytes: 1e9, maxAgeMs: 1e9 }, undefined],
  ])('finds the floor that %s asks for', async (_, policy, floor) => {
    const { disk, log, put, rules } = await start()
    await put(many(100))
    const { floors, policies } = await createCleaner({ fs: disk.mount(), crc32 }).survey(log, rules(policy))
    expect(floors).toEqual(floor === undefined ? [] : [{ filter: '#', before: floor }])
    expect(policies).toMatchObject([{ keptCount: 100, goingCount: floor ?? 0, deadBytes: 0 }])
  })

  test('keeps the batch that holds the oldest message of those that a count asks for', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(30), 10)
    const cleaner = createCleaner({ fs: disk.mount(), crc32 })
    const floorFor = async (maxCount: number) => (await cleaner.survey(log, rules({ maxCount }))).floors[0]?.before
    expect([await floorFor(1), await floorFor(10), await floorFor(11), await floorFor(21)]).toEqual([
      20,
      20,
      10,
      undefined,
    ])
  })

  test('never asks for a lower floor than there is, and counts nothing below it', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(100))
    const cleaner = createCleaner({ fs: disk.mount(), crc32 })
    const { floors, policies } = await cleaner.survey(log, rules({ maxCount: 60 }, 50))
    expect(floors).toEqual([])
    expect(policies).toMatchObject([{ before: 50, wanted: 50, keptCount: 50, goingCount: 0 }])
    expect(policies[0]!.deadBytes).toBe(policies[0]!.keptBytes)
  })

  test('reads each sealed segment once, whatever is appended and however the bounds change', async () => {
    const { disk, log, put, rules } = await start()
    const opened: string[] = []
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (call === 'open') opened.push(path)
    })
    const cleaner = createCleaner({ fs, crc32 })
    await put(many(100))
    await cleaner.survey(log, rules({ maxCount: 50 }))
    expect(opened.sort()).toEqual(log.sealedSegments.map(({ path }) => path))
    const known = log.sealedSegments.length
    await put(many(40))
    for (const maxCount of [50, 70, 20]) {
      const { floors } = await cleaner.survey(log, rules({ maxCount }))
      expect(floors).toEqual([{ filter: '#', before: 140 - maxCount }])
    }
    expect(opened.slice(known).sort()).toEqual(log.sealedSegments.slice(known).map(({ path }) => path))
  })

  test('says what lives in each segment', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(60, (i) => ({ control: i % 2 === 0 })))
    const { segments } = await createCleaner({ fs: disk.mount(), crc32 }).survey(log, rules({}, 0))
    expect(segments.map(({ baseOffset, endOffset, generation }) => [baseOffset, endOffset, generation])).toEqual(
      log.sealedSegments.map(({ baseOffset, endOffset }) => [baseOffset, endOffset, 0]),
    )
    for (const { bytes, liveBytes, deadBytes } of segments) {
      expect(liveBytes + deadBytes).toBe(bytes)
      expect(liveBytes / bytes).toBeGreaterThan(0.4)
      expect(liveBytes / bytes).toBeLessThan(0.6)
    }
  })
})

describe('a turn', () => {
  test('drops the leading segments in which nothing lives, and writes nothing for it', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(100))
    const third = log.sealedSegments[2]!
    const written: string[] = []
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (call === 'writev') written.push(path)
    })
    const result = await createCleaner({ fs, crc32 }).clean(log, rules({}, third.baseOffset + 1), 0)
    expect(result).toMatchObject({ segmentsDropped: 2, segmentsRewritten: 0, rewrittenBytes: 0 })
    expect([log.logStartOffset, result.logStartOffset]).toEqual([third.baseOffset, third.baseOffset])
    expect(written).toEqual([])
  })

  test('stops dropping at a message that is pinned, and what lies behind it becomes small', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(100))
    const end = log.sealedSegments.at(-1)!.endOffset
    const pinned = Float64Array.of(20)
    const cleaner = createCleaner({ fs: disk.mount(), crc32, segmentBytes: SEGMENT_BYTES })
    const result = await cleaner.clean(log, rules({}, 100, { pinned }), 0)
    expect(result.segmentsDropped).toBeGreaterThan(0)
    expect(log.logStartOffset).toBeLessThanOrEqual(20)
    expect(await offsetsOf(log)).toEqual([20, ...upTo(100).slice(end)])
    // All that was left went into one segment.
    expect(log.sealedSegments).toHaveLength(1)
  })

  test('removes what was pinned and is not any more, and what has expired since the turn before', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(60))
    await put(many(60, () => ({ ttlMs: 100_000 })))
    const end = log.sealedSegments.at(-1)!.endOffset
    const cleaner = createCleaner({ fs: disk.mount(), crc32, segmentBytes: 1 })
    const left = async (nowMs: number, ...pinned: number[]) => {
      await cleaner.clean(log, rules({}, 60, { nowMs, pinned: Float64Array.from(pinned) }), 1e9)
      // Without the segment that has some of both.
      return (await offsetsOf(log)).filter((at) => at < end && (at < 40 || at >= 75))
    }
    const expiring = upTo(end).slice(75)
    // The second time looks at what the first one wrote.
    for (let turn = 0; turn < 2; turn++) expect(await left(1000, 7, 9)).toEqual([7, 9, ...expiring])
    expect(await left(1000)).toEqual(expiring)
    // A batch is removed a minute after it expired: the first one at 1075 + 100,000 + 60,000.
    expect(await left(161_074)).toEqual(expiring)
    expect(await left(500_000)).toEqual([])
    expect(log.logStartOffset).toBe(end)
  })

  test('the disk says from where on a snapshot is needed before the first control record goes', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(60, (i) => ({ control: i % 3 > 0 })))
    const calls: unknown[] = []
    const recorded = {
      get sealedSegments() {
        return log.sealedSegments
      },
      get logStartOffset() {
        return log.logStartOffset
      },
      get highWatermark() {
        return log.highWatermark
      },
      read: (request) => log.read(request),
      replaceSegments: (cleaned) => {
        calls.push('replace')
        return log.replaceSegments(cleaned)
      },
      advanceStart: (to) => {
        calls.push('advance')
        return log.advanceStart(to)
      },
      requireSnapshotFrom: (from) => {
        calls.push(from)
        return log.requireSnapshotFrom(from)
      },
    } satisfies CleanableLog
    const files = faultyFiles(disk.mount(), (call) => {
      if (call === 'writev' && log.snapshotNeededFrom !== 50) throw new Error('written too early')
    })
    await createCleaner({ fs: files, crc32 }).clean(recorded, rules({}, 0, { cleanableTo: offset(50) }), 1e9)
    expect(calls[0]).toBe(50)
    expect(calls.slice(1)).toContain('replace')
    expect((await offsetsOf(log)).filter((at) => at >= 50)).toEqual(upTo(60).slice(50))
  })

  test('writes what the budget allows, the segments that free most first, and those of which hardly anything lives anyway', async () => {
    const { disk, log, put, rules } = await start()
    // In each segment of 15 less lives than in the one before: 40 %, 20 %, none.
    await put(many(60, (i) => ({ topic: i % 15 < [15, 6, 3, 0][Math.floor(i / 15)]! ? 'lives' : 'dies' })))
    await put(many(15))
    const some = rules({ filter: 'dies' }, 75)
    const cleaner = createCleaner({ fs: disk.mount(), crc32, segmentBytes: 1 })
    const sizes = log.sealedSegments.map(({ endOffset, baseOffset }) => endOffset - baseOffset)
    expect(sizes.slice(0, 3)).toEqual([15, 15, 15])
    const generations = () => log.sealedSegments.slice(0, 4).map(({ generation }) => generation)
    await cleaner.clean(log, some, 0)
    expect(generations()).toEqual([0, 0, 0, 1])
    await cleaner.clean(log, some, 700)
    expect(generations()).toEqual([0, 0, 1, 1])
    await cleaner.clean(log, some, 2000)
    expect(generations()).toEqual([0, 1, 1, 1])
    // All lives: there is nothing to gain.
    expect(await cleaner.clean(log, some, 1e9)).toMatchObject({ rewrittenBytes: 0 })
  })

  test('that comes again has nothing to do', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(200, (i) => ({ key: `k${i % 7}`, control: i % 4 === 0 })))
    const cleaner = createCleaner({ fs: disk.mount(), crc32, segmentBytes: SEGMENT_BYTES })
    const policy = rules({ isCompacted: true })
    expect((await cleaner.clean(log, policy, 1e9)).rewrittenBytes).toBeGreaterThan(0)
    await cleaner.clean(log, policy, 1e9)
    const again = await cleaner.clean(log, policy, 1e9)
    expect(again).toMatchObject({ removedBytes: 0, rewrittenBytes: 0, segmentsDropped: 0, segmentsRewritten: 0 })
  })

  test('on a full disk fails with the error of the system and leaves no file; what needs no room is done', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(100))
    let fails = true
    const fs = faultyFiles(disk.mount(), (call) => {
      if (fails && call === 'writev') throw systemError('ENOSPC')
    })
    const cleaner = createCleaner({ fs, crc32, segmentBytes: SEGMENT_BYTES })
    const before = [...(await disk.mount().list('data/log'))].sort()
    const policy = rules({}, 100, { pinned: Float64Array.of(20) })
    await expect(cleaner.clean(log, policy, 1e9)).rejects.toMatchObject({ code: 'ENOSPC' })
    const after = await disk.mount().list('data/log')
    expect(before).toEqual(expect.arrayContaining(after))
    expect(after.length).toBeLessThan(before.length)
    expect(log.logStartOffset).toBeGreaterThan(0)
    fails = false
    await cleaner.clean(log, policy, 1e9)
    expect((await offsetsOf(log))[0]).toBe(20)
  })

  test('whose cleaned segment the log does not take removes it', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(100))
    const refusing = new Proxy(log, {
      get: (target, name) => {
        if (name === 'replaceSegments') return () => Promise.reject(new Error('no'))
        const value = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const cleaner = createCleaner({ fs: disk.mount(), crc32 })
    await expect(cleaner.clean(refusing, rules({}, 100, { pinned: Float64Array.of(20) }), 1e9)).rejects.toThrow('no')
    expect((await disk.mount().list('data/log')).filter((name) => name.includes('.1.'))).toEqual([])
  })

  test('broken off at any access to the disk, and then by a crash, leaves all that lives, and the next one does the rest', async () => {
    let isOver = false
    let breaks = 0
    for (let nth = 1; !isOver; nth++) {
      const { disk, log, put, rules } = await start(new SimDisk(new SeededRandom(nth)))
      await put(many(60, (i) => ({ key: `k${i % 5}`, topic: i % 2 === 0 ? 'c' : 'd' })))
      const policy: CleaningRules = {
        ...rules({ filter: 'c', isCompacted: true }),
        rules: [...rules({ filter: 'c', isCompacted: true }).rules, ...rules({ filter: 'd' }, 40).rules],
      }
      const lives = (at: number) => (at % 2 === 0 ? at >= 50 : at >= 40)
      let calls = 0
      const broken: FileSystem = faultyFiles(disk.mount(), () => {
        if (++calls >= nth) throw systemError('EIO')
      })
      isOver = await createCleaner({ fs: broken, crc32 })
        .clean(log, policy, 1e9)
        .then(
          () => true,
          () => false,
        )
      if (!isOver) breaks++
      const end = log.sealedSegments.at(-1)!.endOffset
      disk.crash()
      const next = await start(disk)
      const there = await offsetsOf(next.log)
      for (const at of upTo(60)) if (lives(at)) expect(there).toContain(at)
      await createCleaner({ fs: disk.mount(), crc32 }).clean(next.log, policy, 1e9)
      const left = (await offsetsOf(next.log)).filter((at) => at % 2 === 0 && at < end)
      // The last value of each key below the active segment.
      expect(left).toHaveLength(5)
      await next.log.close()
    }
    expect(breaks).toBeGreaterThan(20)
  })
})

describe('compaction', () => {
  test('goes on where the keys did not fit into memory, turn after turn', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(200, (i) => ({ key: `k${i % 100}` })))
    const cleaner = createCleaner({ fs: disk.mount(), crc32, keyBytesMax: 4000 })
    const end = log.sealedSegments.at(-1)!.endOffset
    const counts: number[] = []
    for (let turn = 0; turn < 4; turn++) {
      await cleaner.clean(log, rules({ isCompacted: true }), 1e9)
      counts.push((await offsetsOf(log)).filter((at) => at < end).length)
    }
    expect(counts[0]).toBe(end)
    expect(counts.at(-1)).toBeLessThan(end)
  })

  test('waits until as much has come as there is, so that each byte is written about once', async () => {
    const { disk, log, put, rules } = await start()
    const cleaner = createCleaner({ fs: disk.mount(), crc32 })
    const policy = () => rules({ isCompacted: true })
    let appended = 0
    let rewritten = 0
    for (let round = 0; round < 16; round++) {
      const before = log.logEndOffset
      await put(many(40, () => ({ key: `k${before % 7}${Math.floor(log.logEndOffset / 2)}` })))
      appended += 40 * 170
      rewritten += (await cleaner.clean(log, policy(), appended - rewritten)).rewrittenBytes
    }
    expect(rewritten).toBeLessThanOrEqual(2 * appended)
  })

  test('keeps a tombstone for its time, and then removes it with what it hides, never before that', async () => {
    const { disk, log, put, rules } = await start()
    const cleaner = createCleaner({ fs: disk.mount(), crc32 })
    const clean = (nowMs: number, ...pinned: number[]) =>
      cleaner.clean(
        log,
        rules({ isCompacted: true, tombstoneMs: 5000 }, 0, { nowMs, pinned: Float64Array.from(pinned) }),
        1e9,
      )
    const left = async () => (await offsetsOf(log)).filter((at) => at < 20)
    // Values of ten keys, and their tombstones.
    await put(many(20, (i) => ({ key: `k${i % 10}`, value: i < 10 ? 'value' : '' })))
    await put(many(30, (i) => ({ key: `other${i}` })))
    await clean(2000, 3)
    expect(await left()).toEqual([3, ...upTo(20).slice(10)])
    await put(many(90, (i) => ({ key: `more${i}` })))
    await clean(9000, 3)
    expect(await left()).toEqual([3, 13])
    await put(many(180, (i) => ({ key: `yet more${i}` })))
    await clean(9000)
    expect(await left()).toEqual([])
  })

  test('begins anew when another set of topics is compacted', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(80, (i) => ({ topic: i % 2 === 0 ? 'a' : 'b', key: 'k' })))
    const end = log.sealedSegments.at(-1)!.endOffset
    const cleaner = createCleaner({ fs: disk.mount(), crc32 })
    await cleaner.clean(log, rules({ filter: 'a', isCompacted: true }), 1e9)
    await cleaner.clean(log, rules({ isCompacted: true }), 1e9)
    expect((await offsetsOf(log)).filter((at) => at < end)).toHaveLength(2)
  })

  test('tells one topic from another', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(40, (i) => ({ topic: i % 2 === 0 ? 'a' : 'b', key: 'k' })))
    await put(many(40, () => ({ topic: 'other' })))
    await createCleaner({ fs: disk.mount(), crc32 }).clean(log, rules({ isCompacted: true }), 1e9)
    expect((await offsetsOf(log)).filter((at) => at < 40)).toEqual([38, 39])
  })
})
