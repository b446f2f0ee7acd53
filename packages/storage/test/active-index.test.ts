import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { verifyDirectory } from '../src/inspection/verification.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { withFlippedBit } from './support/damaged-log.js'
import { diskOf, filesOf } from './support/disk-files.js'
import { faultyFiles, systemError } from './support/faulty-files.js'
import { appendBatches, contentsOf, described } from './support/log-contents.js'
import { openSimLog, settle } from './support/open-sim-log.js'

const ACTIVE = 'data/log/00000000000000000000.log'
const INDEX = 'data/log/00000000000000000000.index'
const CHECKPOINT = 'data/checkpoint'
const LARGE = { segmentBytes: 1_000_000, tailCacheBytes: 1 }

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

/** Appends batches in a life of its own that ends in order. */
async function life(on: SimDisk, count: number): Promise<Uint8Array[]> {
  const { log } = await openSimLog(on, LARGE)
  const batches = appendBatches(log, count)
  await log.close()
  return batches
}

/** Bytes of the active segment that a start reads. */
async function readByStart(on: SimDisk): Promise<number> {
  let bytes = 0
  const fs = faultyFiles(on.mount(), (call, path, args) => {
    if (call === 'read' && path === ACTIVE) bytes += (args[0] as Uint8Array).byteLength
  })
  await openSimLog(on, { ...LARGE, fs })
  return bytes
}

/** The files without the index. */
function withoutIndex(files: Map<string, Uint8Array>): Map<string, Uint8Array> {
  return new Map([...files].filter(([path]) => path !== INDEX))
}

describe('after a close in order', () => {
  test('a start reads the last batch of the active segment and no other, and the log goes on as after a scan', async () => {
    const batches = await life(disk, 50)
    const files = await filesOf(disk)
    const scannedBytes = files.get(ACTIVE)!.byteLength
    expect(await readByStart(diskOf(files))).toBe(batches.at(-1)!.byteLength)
    expect(await readByStart(diskOf(withoutIndex(files)))).toBeGreaterThanOrEqual(scannedBytes)
    const known = await openSimLog(disk, LARGE)
    const scanned = await openSimLog(diskOf(withoutIndex(files)), LARGE)
    for (const { log } of [known, scanned]) {
      expect([log.logEndOffset, log.syncedOffset, log.lastAppendTimeMs]).toEqual([100, 100, 1098])
      expect(log.epochStarts).toEqual([{ epoch: 1, startOffset: 0 }])
      expect(log.tornTail).toBeUndefined()
    }
    batches.push(...appendBatches(known.log, 50, { topic: 'another' }))
    await known.log.close()
    expect(await contentsOf((await openSimLog(disk, LARGE)).log)).toEqual(batches.map(described))
  })

  test('and a start, the index is gone before anything is appended, and stays gone after a crash', async () => {
    for (let crashAt = 1, isOver = false; !isOver; crashAt++) {
      const own = new SimDisk(new SeededRandom(crashAt))
      const batches = await life(own, 5)
      let operations = 0
      own.onOperation = () => {
        if (++operations === crashAt) own.crash()
      }
      const start = await openSimLog(own, LARGE).catch(() => undefined)
      if (start !== undefined && operations < crashAt) {
        own.onOperation = () => undefined
        isOver = true
        appendBatches(start.log, 1)
        own.crash()
        expect((await filesOf(own)).has(INDEX)).toBe(false)
      }
      own.onOperation = () => undefined
      expect((await contentsOf((await openSimLog(own, LARGE)).log)).slice(0, 5)).toEqual(batches.map(described))
    }
  })

  test('an index that a crash, another close or a failed sync has made untrue is not believed', async () => {
    const batches = await life(disk, 5)
    const first = await filesOf(disk)
    batches.push(...(await life(disk, 3)))
    const second = await filesOf(disk)
    const put = (files: Map<string, Uint8Array>, ...more: [string, Uint8Array][]) =>
      diskOf(new Map([...files, ...more]))
    for (const [what, own] of Object.entries({
      'of an earlier close': put(second, [INDEX, first.get(INDEX)!]),
      'beside a checkpoint of another end': put(second, [CHECKPOINT, first.get(CHECKPOINT)!]),
      'after a failed sync': put(second, ['data/sync-failed', new Uint8Array(0)]),
      'of which a part is there': put(second, [INDEX, second.get(INDEX)!.subarray(0, 100)]),
      'beside a segment with zeros behind': put(second, [
        ACTIVE,
        Buffer.concat([second.get(ACTIVE)!, new Uint8Array(9)]),
      ]),
    })) {
      const files = await filesOf(own)
      expect(await readByStart(diskOf(files)), what).toBeGreaterThan(second.get(ACTIVE)!.byteLength / 2)
      const { log } = await openSimLog(own, LARGE)
      expect(await contentsOf(log), what).toEqual(batches.map(described))
      expect((await filesOf(own)).has(INDEX), what).toBe(false)
    }
  })

  test('damage in the active segment is refused at the start where it is read, found by a check, and never served', async () => {
    const batches = await life(disk, 20)
    const files = await filesOf(disk)
    const { byteLength } = files.get(ACTIVE)!
    const lastAt = byteLength - batches.at(-1)!.byteLength
    for (let position = 0; position < byteLength; position += 7) {
      const damaged = withFlippedBit(files, ACTIVE, position)
      const { isDamaged } = await verifyDirectory({ fs: diskOf(damaged).mount(), directory: 'data', crc32 })
      expect(isDamaged).toBe(true)
      const start = openSimLog(diskOf(damaged), LARGE)
      if (position >= lastAt) await expect(start).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
      else {
        const { log } = await start
        expect(log.logEndOffset).toBe(40)
        await expect(contentsOf(log)).rejects.toMatchObject({ code: 'CORRUPT_BATCH' })
      }
    }
    for (const bytes of [1, lastAt, byteLength - 1]) {
      const shorter = new Map([...files, [ACTIVE, files.get(ACTIVE)!.subarray(0, bytes)]])
      await expect(openSimLog(diskOf(shorter), LARGE)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    }
  })

  test('damage that a start did not see is not cut as a torn tail after a later crash', async () => {
    await life(disk, 20)
    const own = diskOf(withFlippedBit(await filesOf(disk), ACTIVE, 700))
    const { log } = await openSimLog(own, LARGE)
    appendBatches(log, 1)
    await settle()
    own.crash()
    await expect(openSimLog(own, LARGE)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
  })
})

test('a log that failed, one on a full disk and an empty one leave no index', async () => {
  await (await openSimLog(disk, LARGE)).log.close()
  expect((await filesOf(disk)).has(INDEX)).toBe(false)
  for (const call of ['sync', 'writev'] as const) {
    const own = new SimDisk(new SeededRandom(1))
    let isBroken = false
    const fs = faultyFiles(own.mount(), (asked, path) => {
      if (isBroken && asked === call && path === (call === 'sync' ? ACTIVE : `${INDEX}.tmp`))
        throw systemError('ENOSPC')
    })
    const { log } = await openSimLog(own, { ...LARGE, fs })
    const batches = appendBatches(log, 3)
    await settle()
    isBroken = true
    if (call === 'sync') appendBatches(log, 1)
    await settle()
    await log.close()
    expect((await filesOf(own)).has(INDEX)).toBe(false)
    expect((await contentsOf((await openSimLog(own, LARGE)).log)).slice(0, 3)).toEqual(batches.map(described))
  }
})
