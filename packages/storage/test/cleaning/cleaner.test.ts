import { offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { type CleanableLog, createCleaner } from '../../src/cleaning/cleaner.js'
import { rewriteSegments } from '../../src/cleaning/rewriting.js'
import { type CleaningRules, RuleBook } from '../../src/cleaning/rules.js'
import type { FileSystem } from '../../src/file-system.js'
import { SimDisk } from '../../src/testing/sim-disk.js'
import { many, offsetsOf, SEGMENT_BYTES, start, upTo } from '../support/cleanable-log.js'
import { faultyFiles, systemError } from '../support/faulty-files.js'

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

  test('of a new cleaner removes what a lost one had written and not handed over, so that the log opens again', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(100, (i) => ({ topic: i < 30 ? 'b' : 'a' })))
    const ofA = rules({ filter: 'a' }, 90, { pinned: Float64Array.of(50) })
    const context = { fs: disk.mount(), crc32, pause: () => Promise.resolve() }
    await rewriteSegments(context, log.sealedSegments.slice(0, 3), new RuleBook(ofA))
    await createCleaner({ fs: disk.mount(), crc32, segmentBytes: SEGMENT_BYTES }).clean(log, ofA, 1e9)
    const there = await offsetsOf(log)
    await log.close()
    expect(await offsetsOf((await start(disk)).log)).toEqual(there)
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
