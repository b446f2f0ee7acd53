import { baseOffsetOf, epoch, type Offset } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Log } from '../src/log.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { batchesBetween, cleanSegments, keepOnly, writeCleaned } from './support/clean-segments.js'
import { appendBatches, basesFrom, contentsOf, described } from './support/log-contents.js'
import { openSimLog, settle } from './support/open-sim-log.js'
import { stoppingFiles } from './support/stopping-files.js'

const offset = (value: number) => value as Offset
const COLD = { segmentBytes: 1000, tailCacheBytes: 0 }

/** Of the pairs of moments at which two things fail, one in so many is tried. */
const STRIDE = process.env['GOMQ_LONG'] ? 1 : 7

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

/** A committed log of small segments on disk, two batches of two epochs in each. */
async function coldLog(
  options: { disk?: SimDisk; batches?: number } = {},
): Promise<{ log: Log; batches: Uint8Array[] }> {
  const { log } = await openSimLog(options.disk ?? disk, COLD)
  const batches: Uint8Array[] = []
  for (let i = 0; i < (options.batches ?? 40); i++) {
    batches.push(...appendBatches(log, 1, { topic: `t/${i % 3}`, epoch: 1 + Math.floor(i / 7), valueBytes: 100 }))
    await settle()
  }
  log.setHighWatermark(log.syncedOffset)
  return { log, batches }
}

const logFiles = async (own: SimDisk) =>
  (await own.mount().list('data/log')).filter((name) => name.endsWith('.log')).sort()

describe('replacing segments', () => {
  test('what was cleaned away is gone, everything else is there, now and after a crash; offsets do not change', async () => {
    const { log, batches } = await coldLog()
    const views = log.sealedSegments
    const kept = batches.filter((batch) => baseOffsetOf(batch) >= views[5]!.endOffset || baseOffsetOf(batch) % 6 === 0)
    await cleanSegments(disk.mount(), log, 1, 3, (batch) => kept.includes(batch) || baseOffsetOf(batch) % 6 === 0)
    await cleanSegments(disk.mount(), log, 0, 1, (batch) => baseOffsetOf(batch) % 6 === 0)
    await cleanSegments(disk.mount(), log, 2, 5, (batch) => baseOffsetOf(batch) % 6 === 0)
    expect(log.sealedSegments.slice(0, 4).map((view) => [view.generation, view.baseOffset, view.endOffset])).toEqual([
      [1, 0, views[0]!.endOffset],
      [1, views[0]!.endOffset, views[2]!.endOffset],
      [1, views[2]!.endOffset, views[5]!.endOffset],
      [0, views[5]!.endOffset, views[6]!.endOffset],
    ])
    expect(await contentsOf(log)).toEqual(kept.map(described))
    expect(await logFiles(disk)).toEqual([
      ...log.sealedSegments.map((view) => view.path.slice('data/log/'.length)),
      `${String(views.at(-1)!.endOffset).padStart(20, '0')}.log`,
    ])
    disk.crash()
    const next = await openSimLog(disk, COLD)
    expect(await contentsOf(next.log)).toEqual(kept.map(described))
    expect([next.log.logStartOffset, next.log.logEndOffset]).toEqual([log.logStartOffset, log.logEndOffset])
  })

  test('reading from any offset to any other goes over the gaps: it advances, and returns what is left between', async () => {
    const { log, batches } = await coldLog()
    const kept = batches.filter((batch, i) => baseOffsetOf(batch) >= 30 || i % 3 === 1)
    const keeps = (batch: Uint8Array) => kept.some((left) => baseOffsetOf(left) === baseOffsetOf(batch))
    await cleanSegments(disk.mount(), log, 0, 2, keeps)
    await cleanSegments(disk.mount(), log, 1, 2, () => false)
    await cleanSegments(disk.mount(), log, 2, 4, keeps)
    const left = (await contentsOf(log)).map(([base]) => base)
    const stored = batches.filter((batch) => left.includes(baseOffsetOf(batch)))
    expect(stored.length).toBeLessThan(kept.length)
    for (let from = 0; from < 36; from++) {
      for (let to = from + 1; to <= 36; to++) {
        if (to % 2 === 1) continue
        for (const bytesMax of [1, 600, 100_000])
          expect(await basesFrom(log, from, { to, bytesMax }), `from ${from} to ${to}`).toEqual(
            batchesBetween(stored, from, offset(to)),
          )
      }
    }
    const { nextOffset, isThinned } = await log.read({ from: offset(0), to: offset(2), bytesMax: 1 })
    expect([nextOffset, isThinned]).toEqual([2, true])
    expect((await log.read({ from: offset(60), bytesMax: 1 })).isThinned).toBe(false)
  })

  test('the epochs of what was cleaned away are still known, also by the next start', async () => {
    const { log } = await coldLog()
    const before = log.epochStarts
    const ends = () => Array.from({ length: 9 }, (_, i) => log.epochEnd(epoch(i)))
    const answers = ends()
    expect(before.length).toBeGreaterThan(4)
    await cleanSegments(disk.mount(), log, 0, 6, () => false)
    await cleanSegments(disk.mount(), log, 0, 2, keepOnly())
    expect(ends()).toEqual(answers)
    await log.close()
    const next = await openSimLog(disk, COLD)
    expect(next.log.epochStarts).toEqual(before)
    expect(Array.from({ length: 9 }, (_, i) => next.log.epochEnd(epoch(i)))).toEqual(answers)
  })

  test('a time leads to the first batch that is left', async () => {
    const { log } = await coldLog()
    await cleanSegments(disk.mount(), log, 0, 1, () => false)
    await cleanSegments(disk.mount(), log, 1, 4, keepOnly(10, 14))
    const end = log.sealedSegments[1]!.endOffset
    expect(await Promise.all([0, 1010, 1011, 1014, 1015].map((t) => log.offsetForTime(t)))).toEqual([
      10,
      10,
      14,
      14,
      end,
    ])
  })

  test('other things than whole sealed segments below the high watermark with their epochs are a bug, and the log goes on', async () => {
    const { log } = await coldLog()
    const fs = disk.mount()
    const views = log.sealedSegments
    const refused = async (
      change: (cleaned: Awaited<ReturnType<typeof writeCleaned>>['cleaned']) => object,
      message: string,
    ) => {
      const { cleaned, writer } = await writeCleaned(fs, log, views.slice(0, 2), keepOnly(0))
      await expect(log.replaceSegments({ ...cleaned, ...change(cleaned) })).rejects.toThrow(message)
      await writer.abandon()
    }
    await refused((cleaned) => ({ endOffset: offset(cleaned.endOffset - 1) }), 'no sealed segments reach')
    await refused(() => ({ baseOffset: offset(1) }), 'no sealed segments reach')
    await refused(() => ({ endOffset: log.logEndOffset }), 'no sealed segments reach')
    await refused(() => ({ generation: 0 }), 'does not have a higher generation')
    await refused(
      (cleaned) => ({ summary: { ...cleaned.summary, bytes: 3 } }),
      'does not say what it was handed over with',
    )
    const first = { ...views[0]!, epochStarts: [{ epoch: epoch(9), startOffset: offset(0) }] }
    const { cleaned } = await writeCleaned(fs, log, [first, views[1]!], () => false)
    await expect(log.replaceSegments(cleaned)).rejects.toThrow('has lost epochs')
    expect(await basesFrom(log, 0)).toHaveLength(40)
    const own = new SimDisk(new SeededRandom(2))
    const { log: uncommitted } = await openSimLog(own, COLD)
    appendBatches(uncommitted, 20)
    await settle()
    await expect(cleanSegments(own.mount(), uncommitted, 0, 1, () => false)).rejects.toThrow(
      'above the high watermark 0',
    )
  })

  test('an index that could not be written, was damaged, or is of the segment as it was, is not believed', async () => {
    const { log } = await coldLog()
    await cleanSegments(disk.mount(), log, 0, 4, keepOnly(2, 10))
    const path = log.sealedSegments[0]!.path.replace('.log', '.index')
    const [first] = (await disk.mount().list('data/log')).filter((name) => /^\d+\.index$/.test(name)).sort()
    await log.close()
    const whole = disk.bytesOf(path)
    for (const bytes of [
      undefined,
      new Uint8Array(0),
      whole.subarray(0, whole.byteLength - 1),
      disk.bytesOf(`data/log/${first}`),
    ]) {
      if (bytes === undefined) await disk.mount().remove(path)
      else disk.put(path, bytes)
      const next = await openSimLog(disk, { ...COLD, indexCacheBytes: 0 })
      next.log.setHighWatermark(next.log.syncedOffset)
      expect((await basesFrom(next.log, 0)).slice(0, 2)).toEqual([2, 10])
      expect(Buffer.compare(disk.bytesOf(path), whole)).toBe(0)
      await next.log.close()
    }
  })

  test('reads at every position while it goes on find all that is left, and nothing else; their files are closed', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const own = new SimDisk(new SeededRandom(seed))
      const random = new SeededRandom(seed)
      const { log, batches } = await coldLog({ disk: own, batches: 24 })
      own.onOperation = () => settleSome(random.below(6))
      const before: number[] = batches.map(baseOffsetOf)
      let atLeast = before
      let atMost = before
      let isDone = false
      const readers = Array.from({ length: 8 }, async () => {
        while (!isDone) {
          const from = random.below(log.highWatermark)
          const wide = new Set(atMost)
          const found = await basesFrom(log, from, { bytesMax: 1 + random.below(2000) })
          const missing = atLeast.filter((base) => base >= from && !found.includes(base))
          const wrong = found.filter((base) => !wide.has(base))
          expect([missing, wrong], `seed ${seed}`).toEqual([[], []])
        }
      })
      for (let i = 0; i < 6; i++) {
        const count = log.sealedSegments.length
        const first = random.below(count)
        const end = Math.min(count, first + 1 + random.below(3))
        const { baseOffset } = log.sealedSegments[first]!
        const { endOffset } = log.sealedSegments[end - 1]!
        const gone = new Set(before.filter((base) => base >= baseOffset && base < endOffset && random.chance(0.4)))
        const thinner = atMost.filter((base) => !gone.has(base))
        const { cleaned } = await writeCleaned(own.mount(), log, log.sealedSegments.slice(first, end), (batch) =>
          thinner.includes(baseOffsetOf(batch)),
        )
        atLeast = thinner
        await log.replaceSegments(cleaned)
        atMost = thinner
      }
      isDone = true
      await Promise.all(readers)
      expect((await contentsOf(log)).map(([base]) => base)).toEqual(atMost)
      await log.close()
      expect(own.openHandles).toBe(0)
    }
  })

  test('a crash at any moment of it leaves what was there before or what was to be there after, and old files go', async () => {
    let points = 0
    for (let crashAt = 1, isDone = false; !isDone; crashAt++) {
      const own = new SimDisk(new SeededRandom(crashAt))
      const { log, batches } = await coldLog({ disk: own, batches: 16 })
      await cleanSegments(own.mount(), log, 1, 2, keepOnly(6))
      const before = await contentsOf(log)
      const keeps = (batch: Uint8Array) => baseOffsetOf(batch) % 8 === 6
      const to = log.sealedSegments[3]!.endOffset
      let operations = 0
      own.onOperation = () => {
        if (++operations === crashAt) own.crash()
      }
      await cleanSegments(own.mount(), log, 0, 4, keeps).catch(() => undefined)
      own.onOperation = () => undefined
      isDone = operations < crashAt
      if (isDone) own.crash()
      const next = await openSimLog(own, COLD)
      const found = await contentsOf(next.log)
      const after = before.filter(([base]) => base >= to || base % 8 === 6)
      expect(batches).toHaveLength(16)
      expect([JSON.stringify(before), JSON.stringify(after)]).toContain(JSON.stringify(found))
      if (isDone) expect(found).toEqual(after)
      expect(await logFiles(own)).toHaveLength(next.log.sealedSegments.length + 1)
      expect((await own.mount().list('data/log')).filter((name) => name.endsWith('.index'))).toHaveLength(
        next.log.sealedSegments.length,
      )
      points++
    }
    console.log(`replacing segments: ${points} crash points`)
  })

  test('a process that ends in the middle, and a power failure in the middle of the next start, lose nothing', async () => {
    let points = 0
    for (let stopAt = 1, isDone = false; !isDone; stopAt++) {
      for (let crashAt = 1 + (stopAt % STRIDE), isStarted = false; !isStarted; crashAt += STRIDE) {
        const own = new SimDisk(new SeededRandom(100 * stopAt + crashAt))
        const { log: appended } = await coldLog({ disk: own, batches: 16 })
        const before = await contentsOf(appended)
        await appended.close()
        const { fs, isStopped } = stoppingFiles(own.mount(), 9 + stopAt)
        const { log } = await openSimLog(own, { ...COLD, fs })
        log.setHighWatermark(log.syncedOffset)
        const { endOffset: to } = log.sealedSegments[3]!
        const { endOffset: start } = log.sealedSegments[0]!
        await cleanSegments(fs, log, 1, 4, () => false).catch(() => undefined)
        await log.advanceStart(start).catch(() => undefined)
        isDone = !isStopped()
        own.locks.clear()
        let operations = 0
        own.onOperation = () => {
          if (++operations === crashAt) own.crash()
        }
        await openSimLog(own, COLD).catch(() => undefined)
        own.onOperation = () => undefined
        isStarted = operations < crashAt
        if (isStarted) own.crash()
        const { log: next } = await openSimLog(own, COLD)
        const cleaned = before.filter(([base]) => base < start || base >= to)
        const possible = [before, cleaned].flatMap((kept) => [kept, kept.filter(([base]) => base >= start)])
        expect(possible.map((kept) => JSON.stringify(kept))).toContain(JSON.stringify(await contentsOf(next)))
        points++
      }
    }
    expect(points).toBeGreaterThan(100)
  })
})

async function settleSome(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await Promise.resolve()
}
