import { baseOffsetOf, GomqError, type Offset } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { SimDisk } from '../src/testing/sim-disk.js'
import { faultyFiles, systemError } from './support/faulty-files.js'
import { appendBatches, basesFrom, contentsOf, described } from './support/log-contents.js'
import { openSimLog, settle } from './support/open-sim-log.js'
import { stampedBatch } from './support/stamped-batch.js'

const offset = (value: number) => value as Offset

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

describe('appending', () => {
  test('a batch is reported as synced after one write and one sync, and is there after a crash', async () => {
    const { log, synced } = await openSimLog(disk)
    const batches = appendBatches(log, 1)
    expect([log.logEndOffset, log.syncedOffset, synced()]).toEqual([2, 0, 0])
    await settle()
    expect([log.logEndOffset, log.syncedOffset, synced()]).toEqual([2, 2, 2])
    disk.crash()
    expect(await contentsOf((await openSimLog(disk)).log)).toEqual(batches.map(described))
  })

  test('what is appended while a round is under way shares the next sync', async () => {
    const { log } = await openSimLog(disk, { segmentBytes: 1_000_000 })
    const before = disk.syncs
    appendBatches(log, 1)
    await Promise.resolve()
    appendBatches(log, 50)
    await settle()
    expect(log.syncedOffset).toBe(102)
    expect(disk.syncs - before).toBe(2)
  })

  test('what is appended in one turn shares one sync', async () => {
    const { log } = await openSimLog(disk, { segmentBytes: 1_000_000 })
    const before = disk.syncs
    appendBatches(log, 1)
    appendBatches(log, 50)
    await settle()
    expect([log.syncedOffset, disk.syncs - before]).toEqual([102, 1])
  })

  test('synced offsets are reported in order, and reach every batch', async () => {
    const reported: number[] = []
    const { log } = await openSimLog(disk, { onSynced: (offset) => reported.push(offset) })
    for (let i = 0; i < 20; i++) {
      appendBatches(log, 3)
      await settle()
    }
    expect(reported).toEqual([...new Set(reported)].sort((a, b) => a - b))
    expect(reported.at(-1)).toBe(120)
  })

  test('a batch that breaks the order of the log is a bug: offset, time, epoch, length', async () => {
    const { log } = await openSimLog(disk)
    appendBatches(log, 1, { appendTimeMs: 5000, epoch: 3 })
    const append = (options: Parameters<typeof stampedBatch>[0]) => () =>
      log.append(stampedBatch({ appendTimeMs: 5000, epoch: 3, ...options }))
    expect(append({ baseOffset: 3 })).toThrow('a batch at offset 3 cannot follow a log that ends at 2')
    expect(append({ baseOffset: 2, appendTimeMs: 4999 })).toThrow('append time goes back from 5000 to 4999')
    expect(append({ baseOffset: 2, epoch: 2 })).toThrow('the epoch goes back from 3 to 2')
    expect(() => log.append(stampedBatch({ baseOffset: 2 }).subarray(0, 120))).toThrow('has 120')
    expect(append({ baseOffset: 2 })).not.toThrow()
  })

  test('a batch larger than a segment has a segment for itself', async () => {
    const { log } = await openSimLog(disk, { segmentBytes: 500 })
    const batches = [...appendBatches(log, 1), ...appendBatches(log, 1, { valueBytes: 900 }), ...appendBatches(log, 1)]
    await settle()
    expect((await disk.mount().list('data/log')).filter((name) => name.endsWith('.log'))).toHaveLength(3)
    expect(await contentsOf(log)).toEqual(batches.map(described))
  })

  test('a segment ends before its times no longer fit into the index: 49 days after its first batch', async () => {
    const { log } = await openSimLog(disk)
    const days = (n: number) => 1000 + n * 24 * 3600 * 1000
    for (const day of [0, 49, 50, 98, 100]) appendBatches(log, 1, { appendTimeMs: days(day) })
    await settle()
    log.setHighWatermark(log.syncedOffset)
    const found = await Promise.all([0, 1, 49, 50, 51, 100, 101].map((day) => log.offsetForTime(days(day))))
    expect(found).toEqual([0, 2, 2, 4, 6, 8, 10])
  })

  test('a batch in a much larger buffer is copied, one in its own is not', async () => {
    const { log } = await openSimLog(disk)
    const large = new Uint8Array(100_000)
    const source = stampedBatch({ baseOffset: 0 })
    large.set(source)
    log.append(large.subarray(0, source.byteLength))
    const own = stampedBatch({ baseOffset: 1 })
    log.append(own)
    await settle()
    const { batches } = await log.read({ from: offset(0), to: offset(2), bytesMax: 10_000 })
    expect(batches[0]!.buffer.byteLength).toBe(source.byteLength)
    expect(batches[1]).toBe(own)
  })
})

describe('reading', () => {
  test('whole batches come from the one that holds the offset up to the high watermark', async () => {
    const { log } = await openSimLog(disk)
    appendBatches(log, 30)
    await settle()
    log.setHighWatermark(offset(40))
    expect(await basesFrom(log, 13)).toEqual(Array.from({ length: 14 }, (_, i) => 12 + 2 * i))
    expect(await log.read({ from: offset(40), bytesMax: 1 })).toEqual({ batches: [], nextOffset: 40, isThinned: false })
  })

  test('one batch comes even if it alone exceeds the bytes wanted, and otherwise they are a bound', async () => {
    for (const tailCacheBytes of [0, 1_000_000]) {
      const own = new SimDisk(new SeededRandom(1))
      const { log } = await openSimLog(own, { tailCacheBytes, segmentBytes: 1_000_000 })
      const [first] = appendBatches(log, 20)
      await settle()
      log.setHighWatermark(log.syncedOffset)
      const count = async (bytesMax: number) => (await log.read({ from: offset(4), bytesMax })).batches.length
      expect([await count(1), await count(3 * first!.byteLength), await count(4 * first!.byteLength - 1)]).toEqual([
        1, 3, 3,
      ])
    }
  })

  test('only wanted topics come, control batches never with a filter, and the reader advances over the rest', async () => {
    for (const tailCacheBytes of [0, 1_000_000]) {
      const own = new SimDisk(new SeededRandom(1))
      const { log } = await openSimLog(own, { tailCacheBytes })
      for (let i = 0; i < 60; i++) appendBatches(log, 1, { topic: i % 10 === 0 ? 'rare' : 'often' })
      await settle()
      log.setHighWatermark(log.syncedOffset)
      expect(await basesFrom(log, 0, { wants: (topic) => topic === 'rare' })).toEqual([0, 20, 40, 60, 80, 100])
      expect(await basesFrom(log, 0, { wants: () => false })).toEqual([])
    }
  })

  test('an offset outside the log is refused with the range', async () => {
    const { log } = await openSimLog(disk)
    appendBatches(log, 2)
    await settle()
    log.setHighWatermark(offset(2))
    await expect(log.read({ from: offset(3), bytesMax: 1 })).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      message: "offset 3 is outside the log, 0 to 2; start from one in it or from 'earliest'",
    })
    await expect(log.replay(offset(5), () => undefined)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
    await expect(log.replay(-1 as Offset, () => undefined)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  })

  test('nobody reads what a crash may take back', async () => {
    const { log } = await openSimLog(disk)
    appendBatches(log, 3)
    const visited: number[] = []
    const replay = log.replay(offset(0), (batch) => visited.push(baseOffsetOf(batch)))
    expect(() => log.setHighWatermark(offset(6))).toThrow('invariant broken')
    await expect(log.read({ from: offset(0), to: offset(6), bytesMax: 1 })).rejects.toThrow('above what is on disk')
    await replay
    expect(visited).toEqual([])
  })

  test('a batch whose bytes changed on disk is named and not served', async () => {
    const { log } = await openSimLog(disk, { tailCacheBytes: 0 })
    const [first] = appendBatches(log, 10)
    await settle()
    log.setHighWatermark(log.syncedOffset)
    disk.flipBit('data/log/00000000000000000000.log', 3 * first!.byteLength + 110, 3)
    await expect(log.read({ from: offset(6), bytesMax: 1 })).rejects.toMatchObject({
      code: 'CORRUPT_BATCH',
      message: expect.stringMatching(
        new RegExp(`data/log/0{20}\\.log, at byte ${3 * first!.byteLength}, where offset 6 `),
      ),
    })
    expect(await basesFrom(log, 0, { to: 6 })).toEqual([0, 2, 4])
  })

  test('a time leads to the first batch appended then or later, at most to the high watermark', async () => {
    const { log } = await openSimLog(disk)
    expect(await log.offsetForTime(0)).toBe(0)
    for (let i = 0; i < 50; i++) appendBatches(log, 1, { appendTimeMs: 10_000 + 10 * i })
    await settle()
    log.setHighWatermark(offset(80))
    const found = await Promise.all(
      [0, 10_000, 10_001, 10_250, 10_399, 10_400, 99_999].map((t) => log.offsetForTime(t)),
    )
    expect(found).toEqual([0, 0, 2, 50, 80, 80, 80])
  })
})

describe('closing', () => {
  test('what was appended is on disk and reported, every file is closed, the next one may open', async () => {
    const { log, synced } = await openSimLog(disk)
    const batches = appendBatches(log, 40)
    await log.close()
    expect([synced(), disk.openHandles]).toEqual([80, 0])
    const next = await openSimLog(disk)
    expect(await contentsOf(next.log)).toEqual(batches.map(described))
  })

  test('closing again is the same, and every later call throws CLOSED', async () => {
    const { log } = await openSimLog(disk)
    appendBatches(log, 1)
    const closing = log.close()
    expect(log.close()).toBe(closing)
    expect(() => log.append(stampedBatch({ baseOffset: 2 }))).toThrow('the log is closed')
    await closing
    await expect(log.read({ from: offset(0), bytesMax: 1 })).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(log.offsetForTime(0)).rejects.toMatchObject({ code: 'CLOSED' })
    expect(() => log.truncate(offset(0))).toThrow('the log is closed')
  })

  test('reads under way end, those that waited throw CLOSED, none touches a closed file', async () => {
    const { log } = await openSimLog(disk, { tailCacheBytes: 0 })
    appendBatches(log, 60)
    await settle()
    log.setHighWatermark(log.syncedOffset)
    const reads = Array.from({ length: 10 }, (_, i) => log.read({ from: offset(4 * i), bytesMax: 1 }))
    const outcomes = Promise.allSettled(reads)
    await log.close()
    for (const [i, outcome] of (await outcomes).entries()) {
      if (outcome.status === 'fulfilled') expect(baseOffsetOf(outcome.value.batches[0]!)).toBe(4 * i)
      else expect(outcome.reason).toMatchObject({ code: 'CLOSED' })
    }
    expect(disk.openHandles).toBe(0)
  })

  test('a last checkpoint that finds no room is told, and the lock is released all the same', async () => {
    let isFull = false
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (isFull && call === 'writev' && path.includes('checkpoint')) throw systemError('ENOSPC')
    })
    const { log } = await openSimLog(disk, { fs })
    appendBatches(log, 1)
    await settle()
    isFull = true
    await expect(log.close()).rejects.toMatchObject({ code: 'DISK_FULL', cause: { code: 'ENOSPC' } })
    expect((await openSimLog(disk)).log.logEndOffset).toBe(2)
  })
})

describe('the directory', () => {
  test('is open once at a time', async () => {
    const { log } = await openSimLog(disk)
    await expect(openSimLog(disk)).rejects.toMatchObject({ code: 'DATA_DIR_LOCKED' })
    await log.close()
    await openSimLog(disk)
  })

  test('a start that fails leaves neither lock nor open files', async () => {
    const { log } = await openSimLog(disk)
    appendBatches(log, 40)
    await log.close()
    disk.flipBit('data/checkpoint', 20, 1)
    await expect(openSimLog(disk)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    expect(disk.openHandles).toBe(0)
    disk.flipBit('data/checkpoint', 20, 1)
    await openSimLog(disk)
  })

  test('a lock that was taken away stops the log', async () => {
    let lose: (error: Error) => void = () => undefined
    const fs = disk.mount()
    const { log, failure, synced } = await openSimLog(disk, {
      fs: {
        ...faultyFiles(fs, () => undefined),
        lock: (directory, onLost) => {
          lose = onLost as typeof lose
          return fs.lock(directory)
        },
      },
    })
    appendBatches(log, 1)
    lose(new GomqError('DATA_DIR_LOCKED', 'taken'))
    await settle()
    expect([synced(), failure()]).toMatchObject([0, { code: 'DATA_DIR_LOCKED' }])
    expect(() => log.append(stampedBatch({ baseOffset: 2 }))).toThrow('taken')
  })

  describe('a process that stood still, whose lock may have been taken away', () => {
    /** @param confirm  what the lock answers to the first, second, ... question; may call `lose` */
    async function opened(confirm: (question: number, lose: () => void) => Promise<void> | undefined) {
      const fs = disk.mount()
      let questions = 0
      const sim = await openSimLog(disk, {
        fs: {
          ...faultyFiles(fs, () => undefined),
          lock: async (directory, onLost) => ({
            ...(await fs.lock(directory)),
            confirm: () => confirm(++questions, () => onLost?.(new GomqError('DATA_DIR_LOCKED', 'taken'))),
          }),
        },
      })
      return {
        ...sim,
        questions: () => questions,
        bytes: () => disk.bytesOf('data/log/00000000000000000000.log').byteLength,
      }
    }

    test('writes nothing before it knows that it was not', async () => {
      let answer: () => void = () => undefined
      const held = await opened((n) => (n === 1 ? new Promise<void>((resolve) => (answer = resolve)) : undefined))
      appendBatches(held.log, 1)
      await settle()
      expect([held.bytes(), held.synced()]).toEqual([0, 0])
      answer()
      await settle()
      expect([held.synced(), held.questions()]).toEqual([2, 2])
    })

    test('writes nothing when it was', async () => {
      const lost = await opened(async (_, lose) => lose())
      appendBatches(lost.log, 1)
      await settle()
      expect([lost.bytes(), lost.synced(), lost.failure()]).toMatchObject([0, 0, { code: 'DATA_DIR_LOCKED' }])
    })

    test('acknowledges nothing when it was while the disk was busy', async () => {
      const lost = await opened((n, lose) => (n === 1 ? undefined : Promise.resolve().then(lose)))
      appendBatches(lost.log, 1)
      await settle()
      expect(lost.bytes()).toBeGreaterThan(0)
      expect([lost.synced(), lost.failure()]).toMatchObject([0, { code: 'DATA_DIR_LOCKED' }])
    })

    test('goes on in its segment when what waited for the answer was truncated meanwhile', async () => {
      let answer: () => void = () => undefined
      const { log } = await opened((n) => (n === 1 ? new Promise<void>((resolve) => (answer = resolve)) : undefined))
      appendBatches(log, 1)
      await settle()
      const truncated = log.truncate(0 as Offset)
      answer()
      await truncated
      expect([log.sealedSegments.length, log.logEndOffset]).toEqual([0, 0])
      appendBatches(log, 1)
      await settle()
      expect(log.syncedOffset).toBe(2)
    })
  })

  test('keeps its identity over restarts', async () => {
    const { log } = await openSimLog(disk)
    await log.close()
    const next = await openSimLog(disk, { random: new SeededRandom(9) })
    expect(next.log.storeId).toBe(log.storeId)
  })

  test('few files are open however many segments there are', async () => {
    const { log } = await openSimLog(disk, { segmentBytes: 300, tailCacheBytes: 0 })
    for (let i = 0; i < 150; i++) {
      appendBatches(log, 1)
      await settle()
    }
    log.setHighWatermark(log.syncedOffset)
    expect(await basesFrom(log, 0)).toHaveLength(150)
    expect((await disk.mount().list('data/log')).length).toBeGreaterThan(140)
    expect(disk.openHandles).toBeLessThanOrEqual(70)
    await log.close()
    const next = await openSimLog(disk)
    expect(disk.openHandles).toBe(1)
    await next.log.close()
  })
})
