import { baseOffsetOf, epoch, type Offset } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { SimDisk } from '../src/testing/sim-disk.js'
import { cleanSegments } from './support/clean-segments.js'
import { faultyFiles, systemError } from './support/faulty-files.js'
import { appendBatches, basesFrom, contentsOf, described } from './support/log-contents.js'
import { openSimLog, settle } from './support/open-sim-log.js'
import { stampedBatch } from './support/stamped-batch.js'

const offset = (value: number) => value as Offset

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

describe('truncating a log', () => {
  test.each([0, 2, 38, 78, 80])('drops what lies from %i on, for good', async (to) => {
    const { log } = await openSimLog(disk)
    const batches = appendBatches(log, 40)
    await settle()
    await log.truncate(offset(to))
    expect([log.syncedOffset, log.logEndOffset]).toEqual([to, to])
    expect(await contentsOf(log)).toEqual(batches.slice(0, to / 2).map(described))
    disk.crash()
    const next = await openSimLog(disk)
    expect(await contentsOf(next.log)).toEqual(batches.slice(0, to / 2).map(described))
  })

  test('works across segments that were sealed before a restart', async () => {
    const first = await openSimLog(disk)
    const batches = appendBatches(first.log, 60)
    await first.log.close()
    const { log } = await openSimLog(disk)
    await log.truncate(offset(20))
    batches.splice(10, batches.length, ...appendBatches(log, 30, { topic: 'new' }))
    await settle()
    expect(await contentsOf(log)).toEqual(batches.map(described))
    await log.close()
    expect(disk.openHandles).toBe(0)
    expect(await contentsOf((await openSimLog(disk)).log)).toEqual(batches.map(described))
  })

  test('an index of what was dropped never speaks for what came after, even with the same offsets and sizes', async () => {
    const { log } = await openSimLog(disk, { tailCacheBytes: 0 })
    appendBatches(log, 60, { topic: 'a' })
    await settle()
    await log.truncate(offset(2))
    appendBatches(log, 59, { topic: 'b', epoch: 2 })
    await settle()
    disk.crash()
    const next = await openSimLog(disk, { tailCacheBytes: 0 })
    next.log.setHighWatermark(next.log.syncedOffset)
    expect(await basesFrom(next.log, 0, { wants: (topic) => topic === 'a' })).toEqual([0])
    expect(await basesFrom(next.log, 0, { wants: (topic) => topic === 'b' })).toHaveLength(59)
    expect(next.log.epochStarts).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 2, startOffset: 2 },
    ])
  })

  test('an index of before is gone even if the one of after is never written', async () => {
    let isFailing = false
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (isFailing && call === 'open' && path.endsWith('.index.tmp')) throw systemError('EIO')
    })
    const { log } = await openSimLog(disk, { fs })
    appendBatches(log, 60, { topic: 'a' })
    await settle()
    isFailing = true
    await log.truncate(offset(2))
    appendBatches(log, 59, { topic: 'b', epoch: 2 })
    await log.close()
    const next = await openSimLog(disk, { tailCacheBytes: 0 })
    next.log.setHighWatermark(next.log.syncedOffset)
    expect(await basesFrom(next.log, 0, { wants: (topic) => topic === 'b' })).toHaveLength(59)
  })

  test('what waits for the disk is dropped above and written below, and reported once it is over', async () => {
    const { log, synced } = await openSimLog(disk)
    const batches = appendBatches(log, 10)
    await log.truncate(offset(6))
    expect(synced()).toBe(6)
    expect(await contentsOf(log)).toEqual(batches.slice(0, 3).map(described))
  })

  test('nothing that it drops is reported as synced, even if its round is under way', async () => {
    const reported: number[] = []
    const { log } = await openSimLog(disk, { onSynced: (offset) => reported.push(offset) })
    appendBatches(log, 1)
    appendBatches(log, 5)
    await log.truncate(offset(0))
    expect(reported).toEqual([])
    appendBatches(log, 1)
    await settle()
    expect(reported).toEqual([2])
  })

  test('append times begin anew behind what is left: the next leader has another clock', async () => {
    const { log } = await openSimLog(disk)
    appendBatches(log, 1, { appendTimeMs: 100 })
    appendBatches(log, 1, { appendTimeMs: 900_000 })
    await settle()
    await log.truncate(offset(2))
    expect(log.lastAppendTimeMs).toBe(100)
    appendBatches(log, 1, { appendTimeMs: 200, epoch: 2 })
    await settle()
    expect(log.syncedOffset).toBe(4)
  })

  test('below the high watermark, above the end, inside a batch, twice at once, or with appends: a bug', async () => {
    const { log } = await openSimLog(disk)
    appendBatches(log, 10)
    await settle()
    log.setHighWatermark(offset(4))
    expect(() => log.truncate(offset(2))).toThrow('outside high watermark 4 to log end 20')
    expect(() => log.truncate(offset(22))).toThrow('outside high watermark 4 to log end 20')
    const truncation = log.truncate(offset(10))
    expect(() => log.truncate(offset(8))).toThrow('already')
    expect(() => log.append(stampedBatch({ baseOffset: 20 }))).toThrow('while the log is being truncated')
    await truncation
    await expect(log.truncate(offset(7))).rejects.toThrow('offset 7 is inside a batch')
  })

  test('waits for reads under way, which end as if nothing happened; later ones see the log as it is then', async () => {
    const { log } = await openSimLog(disk, { tailCacheBytes: 0 })
    appendBatches(log, 60)
    await settle()
    log.setHighWatermark(offset(30))
    await log.read({ from: offset(100), to: offset(120), bytesMax: 1 })
    let release = () => {}
    const gate = new Promise<void>((resolve) => (release = resolve))
    disk.onOperation = () => {
      disk.onOperation = () => undefined
      return gate
    }
    const underWay = log.read({ from: offset(100), to: offset(120), bytesMax: 1 })
    await settle()
    let isOver = false
    const truncation = log.truncate(offset(40)).then(() => {
      isOver = true
    })
    const below = Array.from({ length: 15 }, (_, i) => log.read({ from: offset(2 * i), bytesMax: 1 }))
    for (let i = 0; i < 20; i++) await settle()
    const later = log.read({ from: offset(102), to: offset(120), bytesMax: 1 }).catch((error) => error.code)
    expect(isOver).toBe(false)
    release()
    expect((await underWay).nextOffset).toBe(102)
    await truncation
    expect(await later).toBe('OFFSET_OUT_OF_RANGE')
    for (const [i, { batches, nextOffset }] of (await Promise.all(below)).entries())
      expect([batches.length, nextOffset]).toEqual([1, 2 * i + 2])
  })

  test('a crash at any moment of it leaves a log that starts, with everything below the cut', async () => {
    for (let crashAt = 1, isDone = false; !isDone; crashAt++) {
      const own = new SimDisk(new SeededRandom(crashAt))
      const { log } = await openSimLog(own)
      const batches = appendBatches(log, 60)
      await log.close()
      const second = await openSimLog(own)
      second.log.setHighWatermark(offset(20))
      let operations = 0
      own.onOperation = () => {
        if (++operations === crashAt) own.crash()
      }
      await second.log.truncate(offset(20)).catch(() => undefined)
      own.onOperation = () => undefined
      isDone = operations < crashAt
      if (isDone) {
        expect(operations).toBeGreaterThan(20)
        own.crash()
      }
      const recovered = await contentsOf((await openSimLog(own)).log)
      expect(recovered.length).toBeGreaterThanOrEqual(10)
      expect(recovered).toEqual(batches.slice(0, recovered.length).map(described))
    }
  })
})

describe('truncating a log with cleaned segments', () => {
  async function cleanedLog(own: SimDisk) {
    const { log } = await openSimLog(own, { segmentBytes: 1000 })
    for (let i = 0; i < 24; i++) {
      appendBatches(log, 1, { valueBytes: 100 })
      await settle()
    }
    const committed = offset(18)
    log.setHighWatermark(committed)
    await cleanSegments(own.mount(), log, 1, 3, (batch) => baseOffsetOf(batch) === 8)
    return log
  }

  test('drops what lies behind them; at their end an empty segment stays, to which the log goes on', async () => {
    for (const to of [18, 20, 24, 30, 48]) {
      const own = new SimDisk(new SeededRandom(1))
      const log = await cleanedLog(own)
      await log.truncate(offset(to))
      appendBatches(log, 6, { epoch: 2 })
      await settle()
      own.crash()
      const next = await openSimLog(own, { segmentBytes: 1000 })
      const bases = [0, 2, 4, 8]
      for (let base = 18; base < to + 12; base += 2) bases.push(base)
      expect((await contentsOf(next.log)).map(([base]) => base)).toEqual(bases)
      expect(next.log.epochStarts).toEqual([
        { epoch: 1, startOffset: 0 },
        { epoch: 2, startOffset: to },
      ])
    }
  })

  test('below their end it is a bug: all of it was committed, whatever this life of the log knows', async () => {
    await (await cleanedLog(disk)).close()
    const { log, failure } = await openSimLog(disk, { segmentBytes: 1000 })
    await expect(log.truncate(offset(12))).rejects.toThrow('offset 12 is below what was cleaned, to 18')
    expect(failure()).toBeUndefined()
  })

  test('a crash at any moment of it leaves a log that starts, with everything below the cut', async () => {
    for (let crashAt = 1, isDone = false; !isDone; crashAt++) {
      const own = new SimDisk(new SeededRandom(crashAt))
      const log = await cleanedLog(own)
      const before = await contentsOf(log)
      let operations = 0
      own.onOperation = () => {
        if (++operations === crashAt) own.crash()
      }
      await log.truncate(offset(18)).catch(() => undefined)
      own.onOperation = () => undefined
      isDone = operations < crashAt
      if (isDone) own.crash()
      const { log: next } = await openSimLog(own, { segmentBytes: 1000 })
      expect(next.logEndOffset).toBeGreaterThanOrEqual(18)
      const found = await contentsOf(next)
      expect(found).toEqual(before.slice(0, found.length))
      expect(found.length).toBeGreaterThanOrEqual(4)
    }
  })
})

describe('where two logs part', () => {
  test("a member finds the end of the leader's epoch by asking epoch by epoch", async () => {
    const { log } = await openSimLog(disk)
    expect(log.epochEnd(epoch(7))).toBeUndefined()
    for (const [number, count] of [
      [1, 20],
      [2, 15],
      [5, 10],
    ] as const)
      appendBatches(log, count, { epoch: number })
    await settle()
    expect([0, 1, 2, 3, 4, 5, 9].map((number) => log.epochEnd(epoch(number)))).toEqual([
      undefined,
      { epoch: 1, endOffset: 40 },
      { epoch: 2, endOffset: 70 },
      { epoch: 2, endOffset: 70 },
      { epoch: 2, endOffset: 70 },
      { epoch: 5, endOffset: 90 },
      { epoch: 5, endOffset: 90 },
    ])
    disk.crash()
    const next = await openSimLog(disk)
    expect(next.log.epochStarts).toEqual(log.epochStarts)
    await next.log.truncate(offset(70))
    expect(next.log.epochStarts.map((start) => start.epoch)).toEqual([1, 2])
  })

  test("a member keeps the leader's stamps and seals the batches for its own disk", async () => {
    const leader = await openSimLog(disk)
    appendBatches(leader.log, 20, { epoch: 4 })
    await settle()
    const own = new SimDisk(new SeededRandom(2))
    const member = await openSimLog(own)
    await leader.log.replay(offset(0), (batch) => member.log.append(batch.slice()))
    await settle()
    member.log.setHighWatermark(offset(10))
    expect([member.log.highWatermark, member.log.logEndOffset]).toEqual([10, 40])
    expect(await contentsOf(member.log)).toEqual(await contentsOf(leader.log))
    expect(member.log.epochStarts).toEqual([{ epoch: 4, startOffset: 0 }])
    own.crash()
    expect((await openSimLog(own)).log.logEndOffset).toBe(40)
  })
})
