import { nextOffsetOf, type Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { writeSnapshot } from '../src/snapshot.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { faultyFiles, systemError } from './support/faulty-files.js'
import { appendBatches, contentsOf, described } from './support/log-contents.js'
import { openSimLog, settle } from './support/open-sim-log.js'
import { stampedBatch } from './support/stamped-batch.js'

const SYNCS = process.env['GOMQ_LONG'] ? 120 : 40
const ACTIVE = 'data/log/00000000000000000000.log'

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

describe('a sync that fails', () => {
  test(`number 1 to ${SYNCS}: nothing is acknowledged from then on, and the next start is honest, also after a power failure`, async () => {
    let failed = 0
    for (let k = 1; k <= SYNCS; k++) {
      const own = new SimDisk(new SeededRandom(k))
      const reported: number[] = []
      const { log } = await openSimLog(own, {
        onSynced: (offset) => {
          expect(own.faults.syncsUntilError, 'nothing is acknowledged after the failure').not.toBe(-1)
          reported.push(offset)
        },
        onFailure: () => {
          own.faults.syncsUntilError = -1
        },
      })
      own.faults.syncsUntilError = k
      const batches: Uint8Array[] = []
      while (own.faults.syncsUntilError > 0 && batches.length < 200) {
        batches.push(...appendBatches(log, 1 + (k % 3)))
        await settle()
      }
      failed++
      expect(() => log.append(stampedBatch({ baseOffset: log.logEndOffset }))).toThrow('nothing more is acknowledged')
      await expect(log.read({ from: 0 as Offset, bytesMax: 1 })).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
      await log.close()
      own.faults.syncsUntilError = undefined
      const next = await openSimLog(own)
      const recovered = await contentsOf(next.log)
      expect(next.log.syncedOffset).toBeGreaterThanOrEqual(reported.at(-1) ?? 0)
      expect(recovered).toEqual(batches.slice(0, recovered.length).map(described))
      // What the page cache showed at that start is on the disk now.
      own.crash()
      expect(await contentsOf((await openSimLog(own)).log)).toEqual(recovered)
    }
    expect(failed).toBe(SYNCS)
  })

  test('while the log is closed: what the next life acknowledges survives a power failure', async () => {
    let failed = 0
    for (let k = 1; k <= 6; k++) {
      const own = new SimDisk(new SeededRandom(k))
      const { log } = await openSimLog(own, { zeroAheadBytes: 4_096, segmentBytes: 16_384 })
      const batches = appendBatches(log, 3)
      await settle()
      own.faults.syncsUntilError = k
      await log.close().catch(() => failed++)
      own.faults.syncsUntilError = undefined
      const next = await openSimLog(own)
      batches.push(...appendBatches(next.log, 3))
      await settle()
      expect(next.synced()).toBe(nextOffsetOf(batches.at(-1)!))
      own.crash()
      expect(await contentsOf((await openSimLog(own)).log)).toEqual(batches.map(described))
    }
    expect(failed).toBeGreaterThan(1)
  })

  test('is reported once, as STORAGE_FAILED with its cause', async () => {
    const failures: Error[] = []
    const { log } = await openSimLog(disk, { onFailure: (error) => failures.push(error) })
    disk.faults.syncsUntilError = 1
    appendBatches(log, 5)
    await settle()
    expect(failures).toMatchObject([{ code: 'STORAGE_FAILED', cause: { code: 'EIO' } }])
    expect(failures[0]!.message).toMatch(/^writing the log in data failed: EIO/)
  })
})

describe('a full disk', () => {
  test('fails with DISK_FULL, the short write is cut back, and a start with room goes on', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const own = new SimDisk(new SeededRandom(seed))
      own.faults.bytesMax = 3_000 + 97 * seed
      const { log, synced, failure } = await openSimLog(own)
      const batches: Uint8Array[] = []
      while (failure() === undefined) {
        batches.push(...appendBatches(log, 1 + (seed % 4)))
        await settle()
      }
      expect(failure()).toMatchObject({ code: 'DISK_FULL', cause: { code: 'ENOSPC' } })
      expect(failure()!.message).toContain('make room and start again')
      const names = (await own.mount().list('data/log')).filter((name) => name.endsWith('.log')).sort()
      const acked = batches.filter((batch) => nextOffsetOf(batch) <= synced())
      const bytes = names.reduce((sum, name) => sum + own.bytesOf(`data/log/${name}`).byteLength, 0)
      expect(bytes, 'the files end where the acknowledged ends').toBe(acked.reduce((sum, b) => sum + b.byteLength, 0))
      expect(await own.mount().list('data')).not.toContain('sync-failed')
      await log.close()
      own.faults.bytesMax = undefined
      const next = await openSimLog(own)
      expect(await contentsOf(next.log)).toEqual(acked.map(described))
      appendBatches(next.log, 1)
      await settle()
      expect(next.log.syncedOffset).toBe(synced() + 2)
    }
  })

  test('where the cut cannot be synced, it is a failed sync', async () => {
    let isFull = false
    const fs = faultyFiles(disk.mount(), (call) => {
      if (isFull && call === 'writev') throw systemError('ENOSPC')
      if (isFull && call === 'sync') throw systemError('EIO')
    })
    const { log, failure } = await openSimLog(disk, { fs })
    isFull = true
    appendBatches(log, 1)
    await settle()
    expect(failure()).toMatchObject({ code: 'STORAGE_FAILED' })
    expect(await disk.mount().list('data')).toContain('sync-failed')
  })

  test('that has room for batches and none for a checkpoint or an index goes on', async () => {
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (isFull && call === 'writev' && !path.endsWith('.log')) throw systemError('ENOSPC')
    })
    let isFull = false
    const { log, failure } = await openSimLog(disk, { fs })
    isFull = true
    const batches = appendBatches(log, 60)
    await settle()
    expect([log.syncedOffset, failure()]).toEqual([120, undefined])
    expect((await disk.mount().list('data')).filter((name) => name.endsWith('.tmp'))).toEqual([])
    disk.crash()
    expect(await contentsOf((await openSimLog(disk)).log)).toEqual(batches.map(described))
  })
})

describe('a crash', () => {
  test('at every operation of a program that appends, rolls, truncates, snapshots and closes: what was acked is there', async () => {
    const seeds = process.env['GOMQ_LONG'] ? 20 : 2
    let crashes = 0
    for (let seed = 1; seed <= seeds; seed++) {
      for (let crashAt = 1; ; crashAt++) {
        const own = new SimDisk(new SeededRandom(1000 * seed + crashAt))
        const done = await crashingProgram(own, crashAt)
        if (done) break
        crashes++
      }
    }
    expect(crashes).toBeGreaterThan(seeds * 150)
    console.log(`crash at every operation: ${crashes} crash points`)
  })
})

/** Runs the program and crashes at its operation number `crashAt`; answers whether it came to its end before. */
async function crashingProgram(disk: SimDisk, crashAt: number): Promise<boolean> {
  const appended = new Set<string>()
  let acked = 0
  let operations = 0
  disk.onOperation = () => {
    if (++operations === crashAt) disk.crash()
  }
  const append = (log: Parameters<typeof appendBatches>[0], count: number, epoch: number) => {
    for (const batch of appendBatches(log, count, { epoch })) appended.add(JSON.stringify(described(batch)))
  }
  try {
    const options = {
      onSynced: (offset: Offset) => {
        acked = offset
      },
      onFailure: () => undefined,
    }
    const first = await openSimLog(disk, options)
    append(first.log, 30, 1)
    await settle()
    append(first.log, 20, 2)
    await first.log.close()
    const second = await openSimLog(disk, options)
    second.log.setHighWatermark(40 as Offset)
    await writeSnapshot({
      fs: disk.mount(),
      directory: 'data',
      crc32,
      beginOffset: 40 as Offset,
      endOffset: () => 40 as Offset,
      entries: [new Uint8Array(700)],
    })
    acked = Math.min(acked, 60)
    await second.log.truncate(60 as Offset)
    append(second.log, 30, 3)
    await second.log.close()
  } catch {
    // The machine is off.
  }
  const isDone = operations < crashAt
  disk.onOperation = () => undefined
  if (isDone) disk.crash()
  const { log } = await openSimLog(disk)
  expect(log.logEndOffset, `crash at ${crashAt}`).toBeGreaterThanOrEqual(acked)
  for (const batch of await contentsOf(log))
    expect(appended.has(JSON.stringify(batch)), `crash at ${crashAt}`).toBe(true)
  await log.close()
  return isDone
}

test('an index that could not be written is rebuilt by the next start and written then', async () => {
  const fs = faultyFiles(disk.mount(), (call, path) => {
    if (call === 'open' && path.includes('.index')) throw systemError('EIO')
  })
  const { log, failure } = await openSimLog(disk, { fs })
  const batches = appendBatches(log, 60)
  await log.close()
  expect(failure()).toBeUndefined()
  expect((await disk.mount().list('data/log')).filter((name) => name.endsWith('.index'))).toEqual([])
  const next = await openSimLog(disk)
  expect(await contentsOf(next.log)).toEqual(batches.map(described))
  expect((await disk.mount().list('data/log')).filter((name) => name.endsWith('.index'))).not.toEqual([])
  expect(disk.bytesOf(ACTIVE).byteLength).toBeGreaterThan(0)
})

test('a round takes what was appended until `gather` settles: one sync for all of it', async () => {
  let gathered: () => void = () => undefined
  const gather = () => new Promise<void>((resolve) => (gathered = resolve))
  const { log, synced } = await openSimLog(disk, { gather })
  const before = disk.syncs
  appendBatches(log, 1)
  await settle()
  appendBatches(log, 1)
  await settle()
  expect([disk.syncs - before, synced()]).toEqual([0, 0])
  gathered()
  await settle()
  expect([disk.syncs - before, synced()]).toEqual([1, 4])
  await log.close()
})

test('what is written is told before its sync begins, which waits for what is answered', async () => {
  const order: string[] = []
  const fs = faultyFiles(disk.mount(), (call, path) => {
    if (path === ACTIVE && call === 'sync') order.push('sync')
  })
  let sent: () => void = () => undefined
  const onWritten = (offset: number) => {
    order.push(`written ${offset}`)
    return new Promise<void>((resolve) => (sent = resolve))
  }
  const { log, synced } = await openSimLog(disk, { fs, onWritten })
  order.length = 0
  appendBatches(log, 1)
  await settle()
  expect(order).toEqual(['written 2'])
  sent()
  await settle()
  expect([order, synced()]).toEqual([['written 2', 'sync'], 2])
  await log.close()
})
