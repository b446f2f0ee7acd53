import { type Epoch, epoch, type Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { readCheckpoint } from '../src/checkpoint.js'
import { loadSnapshot, writeSnapshot } from '../src/snapshot.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { cleanSegments, writeCleaned } from './support/clean-segments.js'
import { diskOf, filesOf } from './support/disk-files.js'
import { faultyFiles, systemError } from './support/faulty-files.js'
import { appendBatches, basesFrom, contentsOf } from './support/log-contents.js'
import { openSimLog, settle } from './support/open-sim-log.js'

const offset = (value: number) => value as Offset
const COLD = { segmentBytes: 1000, tailCacheBytes: 0 }

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

/** A committed log of segments [0, 6), [6, 12), ... up to 48; the epoch rises at 0, 14, 28, 42. */
async function coldLog(own: SimDisk = disk, options: Parameters<typeof openSimLog>[1] = {}) {
  const { log } = await openSimLog(own, { ...COLD, ...options })
  for (let i = 0; i < 24; i++) {
    appendBatches(log, 1, { epoch: 1 + Math.floor(i / 7), valueBytes: 100 })
    await settle()
  }
  log.setHighWatermark(log.syncedOffset)
  return log
}

const names = async (own: SimDisk) => (await own.mount().list('data/log')).sort()

describe('moving the start of a log', () => {
  test('removes what is wholly below, for good; readers below are told so, readers above see all', async () => {
    const log = await coldLog()
    await cleanSegments(disk.mount(), log, 0, 2, () => false)
    expect(log.sealedSegments.map((view) => view.endOffset)).toEqual([12, 18, 24, 30, 36, 42])
    await log.advanceStart(offset(18))
    expect([log.logStartOffset, log.logEndOffset]).toEqual([18, 48])
    await expect(log.read({ from: offset(17), bytesMax: 1 })).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      message: expect.stringContaining('outside the log, 18 to 48'),
    })
    expect((await basesFrom(log, 18))[0]).toBe(18)
    expect((await names(disk))[0]).toMatch(/^0*18\.index$/)
    disk.crash()
    const next = await openSimLog(disk, COLD)
    expect([next.log.logStartOffset, (await contentsOf(next.log)).length]).toEqual([18, 15])
  })

  test('not above where it is, nothing happens; where no segment begins, or nothing is committed, it is a bug', async () => {
    const log = await coldLog()
    await log.advanceStart(offset(12))
    for (const to of [0, 3, 12]) await log.advanceStart(offset(to))
    expect(log.logStartOffset).toBe(12)
    await expect(log.advanceStart(offset(20))).rejects.toThrow('where no segment begins')
    await expect(log.advanceStart(offset(48))).rejects.toThrow('where no segment begins')
    const own = new SimDisk(new SeededRandom(2))
    const { log: uncommitted } = await openSimLog(own, COLD)
    appendBatches(uncommitted, 20)
    await settle()
    const { endOffset } = uncommitted.sealedSegments[0]!
    await expect(uncommitted.advanceStart(endOffset)).rejects.toThrow('nothing is committed')
    expect(await basesFrom(log, 12)).toHaveLength(18)
  })

  test('up to the active segment: it goes on, and the epoch is not forgotten, even if nothing is left', async () => {
    const log = await coldLog()
    await log.advanceStart(offset(42))
    expect(log.epochStarts).toEqual([{ epoch: 4, startOffset: 42 }])
    appendBatches(log, 2, { valueBytes: 100, epoch: 5 })
    await settle()
    expect(await basesFrom(log, 42)).toEqual([42, 44, 46])
    await log.close()

    const own = new SimDisk(new SeededRandom(1))
    let isFull = false
    const fs = faultyFiles(own.mount(), (call, path) => {
      if (isFull && call === 'writev' && path.endsWith('.log')) throw systemError('EIO')
    })
    const emptied = await coldLog(own, { fs })
    isFull = true
    // The next batch begins a segment and never gets into it.
    appendBatches(emptied, 1, { valueBytes: 900, epoch: 7 })
    await settle()
    await emptied.close()
    const { log: next } = await openSimLog(own, COLD)
    next.setHighWatermark(next.syncedOffset)
    const to = next.sealedSegments.at(-1)!.endOffset
    expect(to).toBe(next.logEndOffset)
    await next.advanceStart(to)
    const known = next.epochStarts
    expect(known).toEqual([{ epoch: 4, startOffset: 48 }])
    own.crash()
    const { log: last } = await openSimLog(own, COLD)
    expect([last.epochStarts, last.logStartOffset, last.logEndOffset]).toEqual([known, 48, 48])
    expect(() => appendBatches(last, 1, { epoch: 3 })).toThrow('the epoch goes back from 4 to 3')
  })

  test('epochs are known from the start on, the same before and after a restart', async () => {
    const log = await coldLog()
    await log.advanceStart(offset(30))
    const expected = [
      { epoch: 3, startOffset: 30 },
      { epoch: 4, startOffset: 42 },
    ]
    expect(log.epochStarts).toEqual(expected)
    expect([log.epochEnd(epoch(2)), log.epochEnd(epoch(3))]).toEqual([undefined, { epoch: 3, endOffset: 42 }])
    await log.close()
    expect((await openSimLog(disk, COLD)).log.epochStarts).toEqual(expected)
  })

  test('a checkpoint that finds no room leaves everything as it is, and the log goes on', async () => {
    let isFull = false
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (isFull && call === 'writev' && path.includes('checkpoint')) throw systemError('ENOSPC')
    })
    const log = await coldLog(disk, { fs })
    const before = await names(disk)
    isFull = true
    await expect(log.advanceStart(offset(12))).rejects.toMatchObject({ code: 'DISK_FULL' })
    await expect(log.requireSnapshotFrom(offset(12))).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect([log.logStartOffset, await names(disk)]).toEqual([0, before])
    expect(await basesFrom(log, 0)).toHaveLength(24)
    isFull = false
    await log.advanceStart(offset(6))
    expect(log.logStartOffset).toBe(6)
  })

  test.each([false, true])(
    'one that found no room keeps no segment from covering both sides (renamed: %s)',
    async (isRenamed) => {
      let isFull = false
      const own = faultyFiles(disk.mount(), (call, path) => {
        if (isFull && !isRenamed && call === 'writev' && path.includes('checkpoint')) throw systemError('ENOSPC')
      })
      // In the place of the old checkpoint, and yet with an error: the next one has to take it back.
      const syncDirectory = async (path: string) => {
        if (isFull) throw systemError('ENOSPC')
        await own.syncDirectory(path)
      }
      const log = await coldLog(disk, { fs: { ...own, syncDirectory } })
      isFull = true
      await expect(log.advanceStart(offset(12))).rejects.toMatchObject({ code: 'DISK_FULL' })
      const { cleaned } = await writeCleaned(disk.mount(), log, log.sealedSegments.slice(1, 3), () => true)
      await expect(log.replaceSegments(cleaned)).rejects.toMatchObject({ code: 'DISK_FULL' })
      isFull = false
      await log.replaceSegments(cleaned)
      const before = await contentsOf(log)
      disk.crash()
      const next = await openSimLog(disk, COLD)
      expect([next.log.logStartOffset, await contentsOf(next.log)]).toEqual([0, before])
    },
  )

  test('a crash at any moment of it leaves the log from the old start or from the new one, and nothing below', async () => {
    const starts = new Set<number>()
    for (let crashAt = 1, isDone = false; !isDone; crashAt++) {
      for (let seed = 1; seed <= 4; seed++) {
        const own = new SimDisk(new SeededRandom(10 * crashAt + seed))
        const log = await coldLog(own)
        await cleanSegments(own.mount(), log, 1, 3, () => false)
        const before = await contentsOf(log)
        let operations = 0
        own.onOperation = () => {
          if (++operations === crashAt) own.crash()
        }
        await log.advanceStart(offset(24)).catch(() => undefined)
        own.onOperation = () => undefined
        isDone = operations < crashAt
        if (isDone) own.crash()
        const { log: next } = await openSimLog(own, COLD)
        starts.add(next.logStartOffset)
        expect([0, 24]).toContain(next.logStartOffset)
        expect(await contentsOf(next)).toEqual(before.filter(([base]) => base >= next.logStartOffset))
        const bases = (await names(own)).map((name) => Number(name.slice(0, 20)))
        expect(Math.min(...bases)).toBe(next.logStartOffset)
      }
    }
    expect([...starts].sort()).toEqual([0, 24])
  })

  test('an I/O error while files are removed stops the log, and the next start ends what was begun', async () => {
    let isFailing = false
    const fs = disk.mount()
    const log = await coldLog(disk, {
      fs: {
        ...faultyFiles(fs, () => undefined),
        remove: async (path) => {
          if (isFailing && path.endsWith('.log')) throw systemError('EIO')
          await fs.remove(path)
        },
      },
    })
    isFailing = true
    await expect(log.advanceStart(offset(12))).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    await expect(log.read({ from: offset(20), bytesMax: 1 })).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    await log.close()
    expect((await names(disk))[0]).toMatch(/^0*\.log$/)
    expect((await openSimLog(disk, COLD)).log.logStartOffset).toBe(12)
    expect((await names(disk))[0]).toMatch(/^0*12\.index$/)
  })

  test('leftovers below the start are removed in whatever part they are there; a start that is missing is refused', async () => {
    const log = await coldLog()
    await log.close()
    const files = await filesOf(disk)
    const segments = [...files.keys()].filter((path) => path.endsWith('.log')).sort()
    await openSimLog(disk, COLD).then(({ log }) => {
      log.setHighWatermark(log.syncedOffset)
      return log.advanceStart(offset(24)).then(() => log.close())
    })
    const after = await filesOf(disk)
    for (let left = 0; left < 16; left++) {
      const some = segments.slice(0, 4).filter((_, i) => left & (1 << i))
      const own = diskOf(new Map([...after, ...some.map((path) => [path, files.get(path)!] as const)]))
      expect((await openSimLog(own, COLD)).log.logStartOffset).toBe(24)
      // All that was there but the index that the close left for the start.
      expect((await filesOf(own)).size).toBe(after.size - 1)
    }
    const broken = diskOf(new Map([...after].filter(([path]) => path !== segments[4])))
    await expect(openSimLog(broken, COLD)).rejects.toThrow(
      'begins at offset 30, and its checkpoint says that it begins at 24',
    )
  })

  test('closing waits for changes under way, and later ones are refused', async () => {
    const log = await coldLog()
    const moved = log.advanceStart(offset(12))
    const late = log.advanceStart(offset(24)).catch((error) => error.code)
    const closed = log.close()
    await expect(log.advanceStart(offset(24))).rejects.toMatchObject({ code: 'CLOSED' })
    await moved.catch(() => undefined)
    await closed
    expect(await late).toBe('CLOSED')
    expect(disk.openHandles).toBe(0)
    expect([0, 12]).toContain((await openSimLog(disk, COLD)).log.logStartOffset)
  })
})

describe('a snapshot that is needed', () => {
  const location = (own: SimDisk) => ({ fs: own.mount(), directory: 'data', crc32 })
  const snapshotAt = (begin: number) =>
    writeSnapshot({ ...location(disk), beginOffset: offset(begin), endOffset: () => offset(begin), entries: [] })

  test('from some offset on is asked for by every later start; it only rises', async () => {
    const log = await coldLog()
    expect(log.snapshotNeededFrom).toBe(0)
    await snapshotAt(10)
    await snapshotAt(20)
    await log.requireSnapshotFrom(offset(20))
    await log.requireSnapshotFrom(offset(10))
    expect(log.snapshotNeededFrom).toBe(20)
    disk.crash()
    const { log: next } = await openSimLog(disk, COLD)
    expect(next.snapshotNeededFrom).toBe(20)
    expect((await loadSnapshot({ ...location(disk), log: next }))?.beginOffset).toBe(20)
    await disk.mount().remove('data/snapshots/00000000000000000020.snapshot')
    const rejected: string[] = []
    await expect(
      loadSnapshot({ ...location(disk), log: next, onRejected: (_, reason) => rejected.push(reason) }),
    ).rejects.toMatchObject({ code: 'CORRUPT_LOG', message: expect.stringContaining('cleaned away up to offset 20') })
    expect(rejected).toEqual(['it begins at offset 10 and control records were cleaned away up to 20'])
    await expect(next.requireSnapshotFrom(offset(50))).rejects.toThrow('above what is on disk')
  })

  test('is asked for wherever a cleaned segment lies, even if the checkpoint is gone', async () => {
    const log = await coldLog()
    await cleanSegments(disk.mount(), log, 0, 3, () => false)
    expect(log.snapshotNeededFrom).toBe(18)
    await log.close()
    await disk.mount().remove('data/checkpoint')
    const { log: next } = await openSimLog(disk, COLD)
    expect(next.snapshotNeededFrom).toBe(18)
    await expect(loadSnapshot({ ...location(disk), log: next })).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    await snapshotAt(18)
    expect((await loadSnapshot({ ...location(disk), log: next }))?.beginOffset).toBe(18)
  })

  test('is left out of a checkpoint as long as none is, so that it reads as before', async () => {
    const log = await coldLog()
    expect(await readCheckpoint(disk.mount(), 'data', crc32)).not.toHaveProperty('snapshotNeededFrom')
    await log.requireSnapshotFrom(offset(6))
    expect(await readCheckpoint(disk.mount(), 'data', crc32)).toMatchObject({
      snapshotNeededFrom: 6,
      epoch: 4 as Epoch,
    })
  })
})
