import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { SimDisk } from '../src/testing/sim-disk.js'
import { faultyFiles, systemError } from './support/faulty-files.js'
import { appendBatches, contentsOf, described } from './support/log-contents.js'
import { openSimLog, settle } from './support/open-sim-log.js'

const FIRST = 'data/log/00000000000000000000.log'
const AHEAD = { segmentBytes: 20_000, zeroAheadBytes: 4096 }

let disk: SimDisk

beforeEach(() => {
  disk = new SimDisk(new SeededRandom(11))
})

function sizeOf(path: string): number {
  return disk.bytesOf(path).byteLength
}

describe('zeros ahead of the end of the log', () => {
  test('are on disk after a small round, so that the next rounds change no size of the file', async () => {
    const { log } = await openSimLog(disk, AHEAD)
    const [batch] = appendBatches(log, 1)
    await settle()
    const bytes = sizeOf(FIRST)
    expect(bytes).toBe(batch!.byteLength + 4096)
    for (let round = 0; round < 10; round++) {
      appendBatches(log, 1)
      await settle()
      expect(sizeOf(FIRST)).toBe(bytes)
    }
  })

  test('are written again when a sixteenth is left, and never beyond the segment', async () => {
    const { log } = await openSimLog(disk, AHEAD)
    const sizes = new Set<number>()
    while (log.logEndOffset < 220) {
      appendBatches(log, 1)
      await settle()
      sizes.add(sizeOf(FIRST))
    }
    expect(sizes.size).toBeGreaterThan(2)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(20_000)
  })

  test('are cut when the segment is sealed and when the log is closed: a sealed segment holds batches alone', async () => {
    const { log } = await openSimLog(disk, { ...AHEAD, segmentBytes: 2000 })
    const batches = appendBatches(log, 1)
    while (log.logEndOffset < 60) {
      batches.push(...appendBatches(log, 1))
      await settle()
    }
    await log.close()
    let bytes = 0
    for (const name of await disk.mount().list('data/log'))
      if (name.endsWith('.log')) bytes += sizeOf(`data/log/${name}`)
    expect(bytes).toBe(batches.reduce((sum, batch) => sum + batch.byteLength, 0))
    const { log: again } = await openSimLog(disk, AHEAD)
    expect(await contentsOf(again)).toEqual(batches.map(described))
  })

  test('are no torn tail after a crash: everything is there and nothing was cut but zeros', async () => {
    const { log } = await openSimLog(disk, AHEAD)
    const batches: Uint8Array[] = []
    for (let round = 0; round < 5; round++) {
      batches.push(...appendBatches(log, 1))
      await settle()
    }
    disk.crash()
    const { log: recovered } = await openSimLog(disk, AHEAD)
    expect(await contentsOf(recovered)).toEqual(batches.map(described))
    expect(recovered.tornTail).toBeUndefined()
    expect(sizeOf(FIRST)).toBe(batches.reduce((sum, batch) => sum + batch.byteLength, 0))
  })

  test('are cut with the log by a truncation, and what comes then is kept over a crash', async () => {
    const { log } = await openSimLog(disk, AHEAD)
    const batches = appendBatches(log, 3)
    await settle()
    await log.truncate(log.logStartOffset)
    batches.splice(0, 3, ...appendBatches(log, 2))
    await settle()
    disk.crash()
    const { log: recovered } = await openSimLog(disk, AHEAD)
    expect(await contentsOf(recovered)).toEqual(batches.map(described))
  })

  test('are left out while a round waits or rounds are large', async () => {
    const { log } = await openSimLog(disk, { ...AHEAD, segmentBytes: 1_000_000 })
    const batches = appendBatches(log, 400)
    await settle()
    expect(log.syncedOffset).toBe(log.logEndOffset)
    expect(sizeOf(FIRST)).toBe(batches.reduce((sum, batch) => sum + batch.byteLength, 0))
  })

  test('for which the disk has no room are given up, and the log goes on', async () => {
    const zeros = 4096
    let refused = 0
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (call === 'writev' && path === FIRST && sizeOf(FIRST) > 0 && sizeOf(FIRST) < zeros && refused++ % 2 === 0)
        throw systemError('ENOSPC')
    })
    const { log, failure } = await openSimLog(disk, { ...AHEAD, fs })
    appendBatches(log, 1)
    await settle()
    appendBatches(log, 1)
    await settle()
    expect(refused).toBeGreaterThan(1)
    expect(failure()).toBeUndefined()
    expect(log.syncedOffset).toBe(log.logEndOffset)
  })

  test('for which the disk has no room are cut for good: the segment is whole when it is sealed and the machine crashes', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      disk = new SimDisk(new SeededRandom(seed))
      let isFull = false
      const fs = faultyFiles(disk.mount(), (call, path) => {
        if (call === 'truncate' && path === FIRST) isFull = false
      })
      const halfWritten: typeof fs = {
        ...fs,
        open: async (path, mode) => {
          const file = await fs.open(path, mode)
          const writev: typeof file.writev = async (chunks, position) => {
            await file.writev(chunks, position)
            if (isFull && path === FIRST && chunks[0]!.every((byte) => byte === 0)) throw systemError('ENOSPC')
          }
          return { ...file, writev }
        },
      }
      const { log } = await openSimLog(disk, { ...AHEAD, segmentBytes: 2000, fs: halfWritten })
      isFull = true
      const batches = appendBatches(log, 1)
      await settle()
      expect(isFull).toBe(false)
      batches.push(...appendBatches(log, 1, { valueBytes: 1500 }))
      await settle()
      expect(log.sealedSegments.length).toBe(1)
      disk.crash()
      const { log: recovered } = await openSimLog(disk, AHEAD)
      expect(await contentsOf(recovered)).toEqual(batches.map(described))
    }
  })

  test('whose sync fails end the log: nothing is acknowledged after a failed sync', async () => {
    let syncs = 0
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (call === 'sync' && path === FIRST && ++syncs === 3) throw systemError('EIO')
    })
    const { log, failure } = await openSimLog(disk, { ...AHEAD, fs })
    appendBatches(log, 1)
    await settle()
    expect(syncs).toBe(3)
    expect(failure()).toMatchObject({ code: 'STORAGE_FAILED' })
  })
})
