import { baseOffsetOf, type Epoch, type Offset, sealHeader } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { createCleaner } from '../../src/cleaning/cleaner.js'
import type { LogOptions } from '../../src/log-options.js'
import type { openLog } from '../../src/open-log.js'
import { type ReplicatedLog, replicaLog } from '../../src/replication/replica-log.js'
import { keptSnapshots, loadSnapshot, writeSnapshot } from '../../src/snapshot.js'
import { SimDisk } from '../../src/testing/sim-disk.js'
import { cleanSegments, keepOnly } from '../support/clean-segments.js'
import { faultyFiles, systemError } from '../support/faulty-files.js'
import { appendBatches, basesFrom, contentsOf, described } from '../support/log-contents.js'
import { openSimLog, settle } from '../support/open-sim-log.js'
import { withoutOwnFields } from '../support/replica-node.js'
import { stampedBatch } from '../support/stamped-batch.js'

const offset = (value: number) => value as Offset
const start = (epoch: number, startOffset: number) => ({ epoch: epoch as Epoch, startOffset: offset(startOffset) })
const COLD = { segmentBytes: 1000, tailCacheBytes: 0 }

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

/** A log of segments [0, 6), [6, 12), ... up to 48; the epoch rises at 0, 14, 28, 42. */
async function logOf(own: SimDisk, options: Partial<LogOptions> = {}, batches = 24) {
  const { log } = await openSimLog(own, { ...COLD, ...options })
  for (let i = 0; i < batches; i++) {
    appendBatches(log, 1, { epoch: 1 + Math.floor(i / 7), valueBytes: 100 })
    await settle()
  }
  log.setHighWatermark(log.syncedOffset)
  return log
}

/** Batches of a cleaned stretch behind offset 8, where epoch 1 goes on up to 20. */
const STRETCH = { endOffset: offset(30), epochStarts: [start(1, 8), start(3, 20)] }
const stretchBatches = () =>
  [stampedBatch({ baseOffset: 11, records: 2 }), stampedBatch({ baseOffset: 25, epoch: 3 })].map((batch) => {
    sealHeader(batch, offset(5), crc32)
    return batch
  })

async function receive(log: ReplicatedLog): Promise<void> {
  const stretch = await log.receiveCleaned(STRETCH)
  for (const batch of stretchBatches()) await stretch.add(batch)
  await stretch.finish()
}

const outline = async (log: Awaited<ReturnType<typeof openLog>>) => ({
  bases: (await contentsOf(log)).map(([base]) => base),
  offsets: [log.logStartOffset, log.syncedOffset, log.logEndOffset],
  epochs: log.epochStarts.map(({ epoch, startOffset }) => [epoch, startOffset]),
  snapshotNeededFrom: log.snapshotNeededFrom,
})

describe('appending what a leader sent', () => {
  test('keeps the buffer that batches share, and copies none of them out of it', async () => {
    const { log } = await openSimLog(disk, { tailCacheBytes: 100_000 })
    const batches = [0, 2, 4].map((baseOffset) => stampedBatch({ baseOffset, records: 2 }))
    const frame = new Uint8Array(batches.reduce((sum, batch) => sum + batch.byteLength, 0))
    let at = 0
    for (const batch of batches) {
      frame.set(batch, at)
      replicaLog(log).append(frame.subarray(at, at + batch.byteLength))
      at += batch.byteLength
    }
    await settle()
    const { batches: kept } = await log.read({ from: offset(0), to: offset(6), bytesMax: 100_000 })
    expect(kept.map((batch) => batch.buffer === frame.buffer)).toEqual([true, true, true])
  })
})

describe('reading for a member', () => {
  test('gives what is written while it is being synced, and nothing that is not: a full disk may hold it up', async () => {
    const held: (() => void)[] = []
    const said: string[] = []
    const fs = faultyFiles(disk.mount(), async (call, path) => {
      if (call === 'sync' && path.endsWith('.log')) await new Promise<void>((resolve) => held.push(resolve))
    })
    const opening = openSimLog(disk, {
      fs,
      onWritten: (end) => void said.push(`written ${end}`),
      onSynced: (end) => said.push(`synced ${end}`),
      pause: () => new Promise<void>(() => undefined),
    })
    const release = async () => {
      await settle()
      for (const go of held.splice(0)) go()
      await settle()
    }
    await release()
    await release()
    const { log } = await opening
    const replicated = replicaLog(log)
    appendBatches(log, 1)
    await settle()
    appendBatches(log, 1)
    await settle()
    expect([said, replicated.syncedOffset, replicated.writtenOffset]).toEqual([['written 2'], 0, 2])
    expect(await replicated.readForMember(offset(0), 10_000)).toMatchObject({ nextOffset: 2 })
    await expect(log.read({ from: offset(0), to: offset(2), bytesMax: 1 })).rejects.toThrow('above what is on disk')
    await release()
    await release()
    expect([said, replicated.syncedOffset]).toEqual([['written 2', 'synced 2', 'written 4', 'synced 4'], 4])
    disk.faults.bytesMax = Number.MAX_SAFE_INTEGER
    disk.faults.bytesMax -= disk.freeBytes()
    appendBatches(log, 1)
    await release()
    expect([replicated.writtenOffset, replicated.logEndOffset]).toEqual([4, 6])
    expect(await replicated.readForMember(offset(4), 10_000)).toMatchObject({ batches: [], nextOffset: 4 })
  })

  test('gives whole batches from any of them on, one at least, up to what is synced and not committed', async () => {
    for (const tailCacheBytes of [0, 100_000]) {
      const own = new SimDisk(new SeededRandom(2))
      const { log } = await openSimLog(own, { segmentBytes: 1000, tailCacheBytes })
      const batches = appendBatches(log, 6, { valueBytes: 100 })
      await settle()
      expect(log.highWatermark).toBe(0)
      const read: Uint8Array[] = []
      for (let at = offset(0); at < log.syncedOffset; ) {
        const piece = await replicaLog(log).readForMember(at, 1)
        expect([piece.batches.length, piece.cleaned]).toEqual([1, undefined])
        read.push(...piece.batches)
        at = piece.nextOffset
      }
      expect(read.map(described)).toEqual(batches.map(described))
      expect(await replicaLog(log).readForMember(log.syncedOffset, 1)).toEqual({ batches: [], nextOffset: 12 })
      await expect(replicaLog(log).readForMember(offset(1), 1)).rejects.toThrow('inside a batch')
    }
  })

  test('says where the log was cleaned: its end and its epochs, from where the member is', async () => {
    const log = await logOf(disk)
    await cleanSegments(disk.mount(), log, 1, 4, keepOnly(8, 16))
    const read = (from: number) => replicaLog(log).readForMember(offset(from), 1_000_000)
    const pieces = await Promise.all([0, 6, 10, 14, 18, 24].map(read))
    expect(
      pieces.map(({ batches, nextOffset, cleaned }) => [
        batches.map(baseOffsetOf),
        nextOffset,
        cleaned?.endOffset,
        cleaned?.epochStarts,
      ]),
    ).toEqual([
      [[0, 2, 4], 6, undefined, undefined],
      [[8, 16], 24, 24, [start(1, 6), start(2, 14)]],
      [[16], 24, 24, [start(1, 10), start(2, 14)]],
      [[16], 24, 24, [start(2, 14)]],
      [[], 24, 24, [start(2, 18)]],
      [[24, 26, 28], 30, undefined, undefined],
    ])
  })
})

describe('what a member appends', () => {
  test('is what the leader has but for the two fields that are its own disk’s', async () => {
    const leader = await logOf(disk)
    const own = new SimDisk(new SeededRandom(2))
    const { log: member } = await openSimLog(own, { segmentBytes: 1400 })
    const sent: Uint8Array[] = []
    await leader.replay(offset(0), (batch) => sent.push(batch.slice()))
    for (const batch of sent) member.append(batch.slice())
    while (member.syncedOffset < member.logEndOffset) await settle()
    const stored: Uint8Array[] = []
    await member.replay(offset(0), (batch) => stored.push(batch.slice()))
    expect(stored.map(withoutOwnFields)).toEqual(sent.map(withoutOwnFields))
    const syncedAt = (batch: Uint8Array) => Buffer.from(batch).readBigUInt64LE(32)
    expect(stored.map(syncedAt)).not.toEqual(sent.map(syncedAt))
    expect(member.epochStarts).toEqual(leader.epochStarts)
  })
})

describe('a cleaned stretch that is received', () => {
  test('is no stray for a cleaner that begins before it has committed', async () => {
    const log = await logOf(disk, {}, 4)
    await receive(replicaLog(log))
    expect([log.highWatermark, log.sealedSegments.length]).toEqual([8, 3])
    const cleaner = createCleaner({ fs: disk.mount(), crc32, segmentBytes: 1000 })
    await cleaner.survey(log, { rules: [], cleanableTo: offset(0), nowMs: 0 })
    disk.crash()
    const { log: next } = await openSimLog(disk, COLD)
    expect((await contentsOf(next)).map(([base]) => base)).toEqual([0, 2, 4, 6, 11, 25])
  })

  test('is the end of the log, and the log goes on behind it, now and after a crash', async () => {
    for (const batches of [0, 4]) {
      const own = new SimDisk(new SeededRandom(2))
      const log = await logOf(own, { tailCacheBytes: 100_000 }, 4)
      if (batches === 0) await replicaLog(log).reset(offset(8))
      await receive(replicaLog(log))
      const expected = {
        bases: [...(batches === 0 ? [] : [0, 2, 4, 6]), 11, 25],
        offsets: [batches === 0 ? 8 : 0, 30, 30],
        epochs: [
          [1, batches === 0 ? 8 : 0],
          [3, 20],
        ],
        snapshotNeededFrom: 30,
      }
      expect(await outline(log)).toEqual(expected)
      expect(log.lastAppendTimeMs).toBe(1025)
      own.crash()
      const { log: next } = await openSimLog(own, COLD)
      expect(await outline(next)).toEqual(expected)
      appendBatches(next, 1, { epoch: 3 })
      await settle()
      expect(await basesFrom(next, 8, { to: 32 })).toEqual([...expected.bases.filter((base) => base > 7), 30])
    }
  })

  test('a crash at any operation leaves the log without it or with all of it, and nothing beside it', async () => {
    const seen = new Set<number>()
    for (const batches of [0, 4])
      for (let at = 1; at < 45; at++)
        for (let seed = 1; seed < 4; seed++) {
          const own = new SimDisk(new SeededRandom(seed))
          const log = await logOf(own, { zeroAheadBytes: seed === 2 ? 500 : 0 }, batches)
          if (batches === 0) await replicaLog(log).reset(offset(8))
          let left = at
          own.onOperation = () => {
            if (--left === 0) own.crash()
          }
          await receive(replicaLog(log)).catch(() => undefined)
          own.onOperation = () => undefined
          const acked = left > 0
          own.crash()
          const { log: next } = await openSimLog(own, COLD)
          const { offsets, bases } = await outline(next)
          seen.add(offsets[2]!)
          expect(offsets.slice(1)).toEqual(acked || offsets[2] === 30 ? [30, 30] : [8, 8])
          expect(bases.filter((base) => base >= 8)).toEqual(offsets[2] === 30 ? [11, 25] : [])
          expect(next.snapshotNeededFrom).toBe(offsets[2] === 30 ? 30 : batches === 0 ? 8 : 0)
          expect((await own.mount().list('data/log')).filter((name) => name.endsWith('.tmp'))).toEqual([])
        }
    expect([...seen].sort()).toEqual([30, 8])
  })

  test('that finds no room leaves the log as it was, which goes on', async () => {
    for (let call = 1; call < 12; call++) {
      const own = new SimDisk(new SeededRandom(2))
      let left = Number.POSITIVE_INFINITY
      const opened = new Set<string>()
      const fs = faultyFiles(own.mount(), (name, path) => {
        const makes = name === 'open' && !opened.has(path)
        if (name === 'open') opened.add(path)
        if ((name === 'writev' || makes) && --left === 0) throw systemError('ENOSPC')
      })
      const log = await logOf(own, { fs }, 4)
      left = call
      const failed = await receive(replicaLog(log)).then(
        () => undefined,
        (error) => error.code,
      )
      if (failed !== undefined) expect(failed).toBe('DISK_FULL')
      left = Number.POSITIVE_INFINITY
      if (failed !== undefined) await receive(replicaLog(log))
      expect((await outline(log)).bases).toEqual([0, 2, 4, 6, 11, 25])
    }
  })

  test('that is abandoned, or left for another one, leaves nothing', async () => {
    const log = await logOf(disk, {}, 4)
    const replica = replicaLog(log)
    const first = await replica.receiveCleaned(STRETCH)
    await first.add(stretchBatches()[0]!)
    await receive(replica)
    await first.abandon()
    expect((await outline(log)).bases).toEqual([0, 2, 4, 6, 11, 25])
    const second = await replica.receiveCleaned({ endOffset: offset(60), epochStarts: [start(3, 30)] })
    await second.abandon()
    expect((await disk.mount().list('data/log')).filter((name) => /0060|tmp|0030\.1/.test(name))).toEqual([])
  })

  test('takes no epochs that do not follow those of the log', async () => {
    const log = await logOf(disk, {}, 4)
    const replica = replicaLog(log)
    for (const epochStarts of [[start(0, 8)], [start(1, 7)], [start(1, 8), start(1, 9)], [start(1, 8), start(2, 30)]])
      await expect(replica.receiveCleaned({ endOffset: offset(30), epochStarts })).rejects.toThrow('in a stretch')
  })
})

describe('a reset', () => {
  const write = (own: SimDisk, begin: number) =>
    writeSnapshot({
      fs: own.mount(),
      directory: 'data',
      crc32,
      beginOffset: offset(begin),
      endOffset: () => offset(begin),
      entries: [],
    })

  test('leaves an empty log at the offset, below, inside or above what was there, and no snapshot; the identity stays', async () => {
    for (const to of [0, 6, 12, 25, 48, 1000]) {
      const own = new SimDisk(new SeededRandom(2))
      const log = await logOf(own)
      const { storeId } = log
      await write(own, 20)
      appendBatches(log, 3)
      await replicaLog(log).reset(offset(to))
      const expected = { bases: [], offsets: [to, to, to], epochs: [], snapshotNeededFrom: to }
      expect(await outline(log)).toEqual(expected)
      own.crash()
      const { log: next } = await openSimLog(own, COLD)
      expect(await outline(next)).toEqual(expected)
      expect([next.storeId, await keptSnapshots(own.mount(), 'data')]).toEqual([storeId, []])
      const load = (isFilling: boolean) =>
        loadSnapshot({ fs: own.mount(), directory: 'data', crc32, log: next, isFilling })
      expect(await load(true)).toBeUndefined()
      if (to > 0) await expect(load(false)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
      await write(own, to + 500)
      expect(await load(true), 'what reaches further than the log stays').toBeUndefined()
      expect(await keptSnapshots(own.mount(), 'data')).toHaveLength(1)
      appendBatches(next, 2, { epoch: 1 })
      await settle()
      expect(next.epochStarts).toEqual([{ epoch: 1, startOffset: to }])
    }
  })

  test('a crash at any operation, and again in the start after it, leaves the old log or the new one', async () => {
    let olds = 0
    for (const to of [6, 30, 100])
      for (let at = 1; at < 40; at++) {
        const own = new SimDisk(new SeededRandom(at))
        const log = await logOf(own)
        await write(own, 20)
        const before = await outline(log)
        let left = at
        own.onOperation = () => {
          if (--left === 0) own.crash()
        }
        await replicaLog(log)
          .reset(offset(to))
          .catch(() => undefined)
        left = 1 + (at % 9)
        own.crash()
        await openSimLog(own, COLD).catch(() => undefined)
        own.onOperation = () => undefined
        own.crash()
        const { log: next } = await openSimLog(own, COLD)
        const found = await outline(next)
        const isOld = found.offsets[2] === 48
        if (isOld) olds++
        expect(found).toEqual(isOld ? before : { bases: [], offsets: [to, to, to], epochs: [], snapshotNeededFrom: to })
        expect(await keptSnapshots(own.mount(), 'data')).toHaveLength(isOld ? 1 : 0)
        appendBatches(next, 2, { epoch: 9 })
        await settle()
        own.crash()
        expect((await openSimLog(own, COLD)).log.logEndOffset).toBe((isOld ? 48 : to) + 4)
      }
    expect(olds).toBeGreaterThan(3)
  })
})
