import { nextOffsetOf, type Offset } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import type { LogOptions } from '../src/log-options.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { faultyFiles, systemError } from './support/faulty-files.js'
import { appendBatches, contentsOf, described } from './support/log-contents.js'
import { openSimLog, type SimLog, settle } from './support/open-sim-log.js'

const SEEDS = process.env['GOMQ_LONG'] ? 400 : 40

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

/** A log that waits for room, with pauses that the test ends. */
async function openWaiting(own: SimDisk, options: Partial<LogOptions> = {}) {
  const events: string[] = []
  const pauses: number[] = []
  let wake = () => {}
  const opened = await openSimLog(own, {
    pause: (ms) => {
      pauses.push(ms)
      return new Promise((resolve) => {
        wake = resolve
      })
    },
    onFull: (error) => events.push(error === undefined ? 'goes on' : `${error.code}: ${error.message}`),
    ...options,
  })
  /** Lets `count` pauses pass. */
  const pass = async (count = 1) => {
    for (let i = 0; i < count; i++) {
      wake()
      await settle()
    }
  }
  return { ...opened, events, pauses, pass }
}

function fill(own: SimDisk, roomBytes = 0): void {
  own.faults.bytesMax = Number.MAX_SAFE_INTEGER
  own.faults.bytesMax -= own.freeBytes() - roomBytes
}

async function logBytes(own: SimDisk): Promise<number> {
  const names = (await own.mount().list('data/log')).filter((name) => name.endsWith('.log'))
  return names.reduce((sum, name) => sum + own.bytesOf(`data/log/${name}`).byteLength, 0)
}

describe('a log on a disk that fills', () => {
  test('waits, acknowledges nothing of what has no room, and writes all of it in order when there is room', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const own = new SimDisk(new SeededRandom(seed))
      own.faults.bytesMax = 2_000 + 97 * seed
      const { log, synced, failure, events, pass } = await openWaiting(own)
      const batches: Uint8Array[] = []
      while (events.length === 0) {
        batches.push(...appendBatches(log, 1 + (seed % 4)))
        await settle()
      }
      batches.push(...appendBatches(log, 3))
      await pass(3)
      const acked = batches.filter((batch) => nextOffsetOf(batch) <= synced())
      expect(acked.length, `seed ${seed}`).toBeLessThan(batches.length)
      expect(await logBytes(own), 'the files end where the acknowledged ends').toBe(
        acked.reduce((sum, batch) => sum + batch.byteLength, 0),
      )
      expect(events, 'it is told once').toHaveLength(1)
      expect((await own.mount().list('data/log')).filter((name) => name.endsWith('.tmp'))).toEqual([])
      own.faults.bytesMax = undefined
      await pass()
      expect([failure(), synced()], `seed ${seed}`).toEqual([undefined, log.logEndOffset])
      expect(events).toEqual([expect.stringMatching(/^DISK_FULL: the disk of data is full/), 'goes on'])
      expect(await contentsOf(log)).toEqual(batches.map(described))
      own.crash()
      expect(await contentsOf((await openSimLog(own)).log), `seed ${seed}`).toEqual(batches.map(described))
    }
  })

  test('that loses its power while it waits has what it acknowledged', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const own = new SimDisk(new SeededRandom(seed))
      const { log, synced, pass } = await openWaiting(own)
      const batches = appendBatches(log, 1 + (seed % 30))
      await settle()
      fill(own, 37 * seed)
      batches.push(...appendBatches(log, 50))
      await pass(seed % 5)
      const acked = synced()
      own.crash()
      own.faults.bytesMax = undefined
      const next = await openSimLog(own)
      const contents = await contentsOf(next.log)
      expect(next.log.logEndOffset, `seed ${seed}`).toBeGreaterThanOrEqual(acked)
      expect(contents).toEqual(batches.slice(0, contents.length).map(described))
    }
  })

  test('tries again after 50 ms, then less and less often, once a second in the end', async () => {
    const { log, pauses, pass } = await openWaiting(disk)
    fill(disk)
    appendBatches(log, 1)
    await settle()
    await pass(7)
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1000, 1000, 1000])
  })

  test('writes batch by batch what fits, so that a small one is not held up by those behind it', async () => {
    const { log, synced, pass } = await openWaiting(disk)
    fill(disk)
    const [first] = appendBatches(log, 1)
    appendBatches(log, 20)
    await settle()
    expect(synced()).toBe(0)
    fill(disk, first!.byteLength + 10)
    await pass()
    expect(synced()).toBe(2)
  })

  test('that is a quota is a full disk as well', async () => {
    let isFull = false
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (isFull && call === 'writev' && path.endsWith('.log')) throw systemError('EDQUOT')
    })
    const { log, synced, events, pass } = await openWaiting(disk, { fs })
    isFull = true
    appendBatches(log, 1)
    await settle()
    expect(events).toHaveLength(1)
    isFull = false
    await pass()
    expect(synced()).toBe(2)
  })

  test('waits with a new segment that has no room for its file', async () => {
    let isFull = false
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (isFull && call === 'open' && path.endsWith('.log')) throw systemError('ENOSPC')
    })
    const { log, synced, events, failure, pass } = await openWaiting(disk, { fs })
    isFull = true
    const batches = appendBatches(log, 60)
    await settle()
    await pass(2)
    expect(events).toHaveLength(1)
    expect(synced()).toBeLessThan(log.logEndOffset)
    expect((await disk.mount().list('data/log')).filter((name) => name.endsWith('.log'))).toHaveLength(1)
    isFull = false
    await pass()
    expect([failure(), synced(), events.at(-1)]).toEqual([undefined, log.logEndOffset, 'goes on'])
    disk.crash()
    expect(await contentsOf((await openSimLog(disk)).log)).toEqual(batches.map(described))
  })

  test('whose sync says ENOSPC has failed: nobody knows what is on the disk', async () => {
    let isFull = false
    const fs = faultyFiles(disk.mount(), (call) => {
      if (isFull && call === 'sync') throw systemError('ENOSPC')
    })
    const { log, failure, events } = await openWaiting(disk, { fs })
    isFull = true
    appendBatches(log, 1)
    await settle()
    expect([failure(), events]).toMatchObject([{ code: 'STORAGE_FAILED' }, []])
  })

  test('has failed, where the cut of the short write cannot be synced', async () => {
    let isFull = false
    const fs = faultyFiles(disk.mount(), (call) => {
      if (isFull && call === 'writev') throw systemError('ENOSPC')
      if (isFull && call === 'sync') throw systemError('EIO')
    })
    const { log, failure } = await openWaiting(disk, { fs })
    isFull = true
    appendBatches(log, 1)
    await settle()
    expect(failure()).toMatchObject({ code: 'STORAGE_FAILED' })
    expect(await disk.mount().list('data')).toContain('sync-failed')
  })

  test('starts on a full disk with the checkpoint that is there', async () => {
    const first = await openSimLog(disk)
    const batches = appendBatches(first.log, 5)
    await first.log.close()
    fill(disk)
    const { log } = await openWaiting(disk)
    expect(log.storeId).toBe(first.log.storeId)
    expect(await contentsOf(log)).toEqual(batches.map(described))
  })
})

test('a start that must write and has no room is refused with DISK_FULL, and a later one finds everything', async () => {
  const first = await openSimLog(disk)
  const batches = appendBatches(first.log, 5)
  await first.log.close()
  disk.put('data/sync-failed', new Uint8Array(0))
  fill(disk, 10)
  await expect(openSimLog(disk)).rejects.toMatchObject({ code: 'DISK_FULL', cause: { code: 'ENOSPC' } })
  disk.faults.bytesMax = undefined
  expect(await contentsOf((await openSimLog(disk)).log)).toEqual(batches.map(described))
})

describe('whoever stops a log that waits for room', () => {
  const stuck = async (count = 1) => {
    const opened = await openWaiting(disk, {
      pause: (ms) => {
        pausedMs += ms
        return Promise.resolve()
      },
    })
    let pausedMs = 0
    const batches = appendBatches(opened.log, 5)
    await settle()
    const hurried: SimLog & { batches: Uint8Array[]; pausedMs: () => number } = {
      ...opened,
      batches,
      pausedMs: () => pausedMs,
    }
    opened.log.hurry()
    fill(disk)
    pausedMs = 0
    appendBatches(opened.log, count)
    return hurried
  }

  test('waits 2 s at most: then closing ends, the log has failed with DISK_FULL, and what was acknowledged is there', async () => {
    const { log, batches, failure, pausedMs } = await stuck()
    await log.close()
    expect(pausedMs()).toBe(2000)
    expect(failure()).toMatchObject({ code: 'DISK_FULL', cause: { code: 'ENOSPC' } })
    expect(failure()!.message).toContain('make room and start again')
    expect(await disk.mount().list('data')).not.toContain('sync-failed')
    disk.faults.bytesMax = undefined
    expect(await contentsOf((await openSimLog(disk)).log)).toEqual(batches.map(described))
  })

  test('has everything written if there is room by then', async () => {
    const { log, failure, synced } = await stuck(3)
    disk.faults.bytesMax = undefined
    await log.close()
    expect([failure(), synced()]).toEqual([undefined, 16])
  })

  test('a truncation that cannot be done fails with DISK_FULL', async () => {
    const { log, failure } = await stuck(3)
    await expect(log.truncate(12 as Offset)).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(failure()).toMatchObject({ code: 'DISK_FULL' })
    await log.close()
  })

  test('a truncation that gives up what has no room needs none', async () => {
    const { log, synced, events, pass } = await openWaiting(disk)
    const batches = appendBatches(log, 5)
    await settle()
    fill(disk)
    appendBatches(log, 3)
    await settle()
    const truncated = log.truncate(10 as Offset)
    await pass(2)
    await truncated
    expect(events.at(-1)).toBe('goes on')
    disk.faults.bytesMax = undefined
    batches.push(...appendBatches(log, 2))
    await settle()
    expect([synced(), log.logEndOffset]).toEqual([14, 14])
    expect(await contentsOf(log)).toEqual(batches.map(described))
  })
})

test('without a pause to wait with, a full disk fails the log with DISK_FULL', async () => {
  const { log, failure } = await openSimLog(disk)
  fill(disk)
  appendBatches(log, 1)
  await settle()
  expect(failure()).toMatchObject({ code: 'DISK_FULL' })
})
