import { baseOffsetOf, type Epoch, type Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, expect, test } from 'vitest'
import { CleanedSegmentWriter } from '../src/cleaned-segment-writer.js'
import { SegmentIndex } from '../src/format/segment-index.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { stampedBatch } from './support/stamped-batch.js'

const RANGE = {
  baseOffset: 10 as Offset,
  endOffset: 50 as Offset,
  generation: 2,
  epochStarts: [
    { epoch: 1 as Epoch, startOffset: 10 as Offset },
    { epoch: 3 as Epoch, startOffset: 20 as Offset },
  ],
}
const PATH = 'd/00000000000000000010.2.log'

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

const create = () => CleanedSegmentWriter.create(disk.mount(), 'd', RANGE, crc32)

test('what was added is in the file under its name, with its index, once it is finished, and survives a crash', async () => {
  const writer = await create()
  const batches = [10, 30, 47].map((baseOffset) =>
    stampedBatch({ baseOffset, records: 3, epoch: baseOffset < 20 ? 1 : 3 }),
  )
  for (const batch of batches) await writer.add(batch)
  expect(await disk.mount().list('d')).toEqual(['00000000000000000010.2.log.tmp'])
  const { bytes } = writer
  const cleaned = await writer.finish()
  disk.crash()
  expect((await disk.mount().list('d')).sort()).toEqual(['00000000000000000010.2.index', '00000000000000000010.2.log'])
  const stored = disk.bytesOf(PATH)
  expect(cleaned).toEqual({
    path: PATH,
    generation: 2,
    baseOffset: 10,
    endOffset: 50,
    summary: {
      baseOffset: 10,
      endOffset: 50,
      bytes: stored.byteLength,
      firstTimeMs: 1010,
      lastTimeMs: 1047,
      epochStarts: RANGE.epochStarts,
    },
  })
  expect(structuredClone(cleaned)).toEqual(cleaned)
  expect(bytes).toBe(stored.byteLength)
  expect(Buffer.from(stored).subarray(-batches.reduce((sum, batch) => sum + batch.byteLength, 0))).toEqual(
    Buffer.concat(batches),
  )
  const index = SegmentIndex.decode(disk.bytesOf(PATH.replace('.log', '.index')), crc32)!
  expect([index.count, index.generation, index.endOffset, index.nextOffset]).toEqual([3, 2, 50, 50])
})

test('nothing has to be left', async () => {
  const { summary } = await (await create()).finish()
  expect(summary).toMatchObject({ firstTimeMs: 0, lastTimeMs: 0, endOffset: 50 })
  expect(disk.bytesOf(PATH).byteLength).toBe(summary.bytes)
})

test('the bytes of a batch are copied: the caller may use its buffer again', async () => {
  const writer = await create()
  const buffer = stampedBatch({ baseOffset: 10 })
  const batch = buffer.slice()
  await writer.add(buffer)
  buffer.fill(7)
  await writer.finish()
  expect(Buffer.from(disk.bytesOf(PATH)).includes(Buffer.from(batch))).toBe(true)
})

test('a batch outside the range, one that goes back, or one of an epoch that has no start is a bug', async () => {
  const writer = await create()
  await expect(writer.add(stampedBatch({ baseOffset: 9 }))).rejects.toThrow('invariant broken')
  await writer.add(stampedBatch({ baseOffset: 12, records: 2 }))
  expect([12, 13, 14, 49, 50].map((baseOffset) => writer.fits(stampedBatch({ baseOffset })))).toEqual([
    false,
    false,
    true,
    true,
    false,
  ])
  await expect(writer.add(stampedBatch({ baseOffset: 49, records: 2 }))).rejects.toThrow('invariant broken')
  await expect(writer.add(stampedBatch({ baseOffset: 15, epoch: 2 }))).rejects.toThrow('epoch 2 has no start')
  for (const range of [
    { ...RANGE, generation: 0 },
    { ...RANGE, endOffset: 10 as Offset },
  ])
    await expect(CleanedSegmentWriter.create(disk.mount(), 'd', range, crc32)).rejects.toThrow('invariant broken')
})

test('one that is abandoned leaves nothing, at any moment, and again is no error', async () => {
  for (const step of ['create', 'add', 'finish']) {
    const writer = await create()
    if (step !== 'create') await writer.add(stampedBatch({ baseOffset: 10 }))
    if (step === 'finish') await writer.finish()
    await writer.abandon()
    await writer.abandon()
    expect([await disk.mount().list('d'), disk.openHandles]).toEqual([[], 0])
  }
})

test('a full disk is told; abandoned, it leaves nothing', async () => {
  const writer = await create()
  disk.faults.bytesMax = 1000
  const add = async () => {
    for (let baseOffset = 10; baseOffset < 50; baseOffset++)
      await writer.add(stampedBatch({ baseOffset, valueBytes: 100_000, epoch: baseOffset < 20 ? 1 : 3 }))
  }
  await expect(add()).rejects.toMatchObject({ code: 'ENOSPC' })
  await writer.abandon()
  expect([await disk.mount().list('d'), disk.openHandles]).toEqual([[], 0])
})

test('a crash at any moment leaves the whole file under its name, or none', async () => {
  const outcomes = new Set<boolean>()
  for (let crashAt = 1, isDone = false; !isDone; crashAt++) {
    const own = new SimDisk(new SeededRandom(crashAt))
    let operations = 0
    own.onOperation = () => {
      if (++operations === crashAt) own.crash()
    }
    const write = async () => {
      const writer = await CleanedSegmentWriter.create(own.mount(), 'd', RANGE, crc32)
      for (const baseOffset of [10, 13]) await writer.add(stampedBatch({ baseOffset }))
      return writer.finish()
    }
    const cleaned = await write().catch(() => undefined)
    own.onOperation = () => undefined
    isDone = operations < crashAt
    const isThere = (await own.mount().list('d')).includes(PATH.slice(2))
    outcomes.add(isThere)
    if (isThere) {
      const bytes = own.bytesOf(PATH)
      expect(Buffer.from(bytes).subarray(0, 4).toString()).toBe('GMQK')
      expect(baseOffsetOf(bytes.subarray(bytes.byteLength - stampedBatch({ baseOffset: 13 }).byteLength))).toBe(13)
    } else expect(cleaned).toBeUndefined()
  }
  expect([...outcomes].sort()).toEqual([false, true])
})
