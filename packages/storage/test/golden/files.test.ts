import { decodeMsgpack, type Epoch, type Offset, sealHeader } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { readCheckpoint, writeCheckpoint } from '../../src/checkpoint.js'
import { CleanedSegmentWriter } from '../../src/cleaned-segment-writer.js'
import { SegmentIndex } from '../../src/format/segment-index.js'
import { replicaRecordStore } from '../../src/replication/replica-record.js'
import { loadSnapshot, writeSnapshot } from '../../src/snapshot.js'
import { SimDisk } from '../../src/testing/sim-disk.js'
import { indexFileOf } from '../support/index-file.js'
import { contentsOf } from '../support/log-contents.js'
import { openSimLog } from '../support/open-sim-log.js'
import { stampedBatch } from '../support/stamped-batch.js'
import { expectGolden, readGolden } from './golden-files.js'

const BASE = 2 ** 40
const CHECKPOINT = {
  storeId: '1x2y3z',
  syncedOffset: (2 ** 33 + 5) as Offset,
  epoch: 7 as Epoch,
  logStartOffset: 3 as Offset,
}
const ENTRIES = [Uint8Array.from([1, 2, 3]), new Uint8Array(0), Uint8Array.from([255])]

const batches = () => [
  stampedBatch({ baseOffset: BASE, records: 2, topic: 'orders/eu', epoch: 3, appendTimeMs: 1_700_000_000_000 }),
  stampedBatch({ baseOffset: BASE + 2, topic: 'é', epoch: 3, appendTimeMs: 1_700_000_000_010 }),
  stampedBatch({ baseOffset: BASE + 3, topic: 'orders/eu', epoch: 5, appendTimeMs: 1_700_000_000_010 }),
]

const emptyDisk = () => new SimDisk(new SeededRandom(1))
const location = (disk: SimDisk) => ({ fs: disk.mount(), directory: 'data', crc32 })

describe('golden bytes of the files in a data directory', () => {
  test('a segment is written as it was when the format was released, and is read', async () => {
    const name = `data/log/${String(BASE).padStart(20, '0')}.log`
    const disk = emptyDisk()
    disk.put(name, new Uint8Array(0))
    const { log } = await openSimLog(disk)
    const [first, ...others] = batches()
    log.append(first!)
    // The others say what this round synced.
    await Promise.resolve()
    for (const batch of others) log.append(batch)
    await log.close()
    expectGolden('segment', disk.bytesOf(name))
    const other = emptyDisk()
    other.put(name, Uint8Array.from(readGolden('segment')))
    const opened = await openSimLog(other)
    expect(await contentsOf(opened.log)).toEqual(await contentsOf((await openSimLog(disk)).log))
    expect(opened.log.epochStarts).toEqual([
      { epoch: 3, startOffset: BASE },
      { epoch: 5, startOffset: BASE + 3 },
    ])
  })

  test('a cleaned segment and its index are written as they were when the format was released, and are read', async () => {
    const disk = emptyDisk()
    const range = {
      baseOffset: (BASE - 10) as Offset,
      endOffset: (BASE + 20) as Offset,
      generation: 2,
      epochStarts: [2, 3, 5, 6].map((epoch, i) => ({
        epoch: epoch as Epoch,
        startOffset: (BASE - 10 + 5 * i) as Offset,
      })),
    }
    const writer = await CleanedSegmentWriter.create(disk.mount(), 'data/log', range, crc32)
    const [first, , last] = batches()
    for (const batch of [first!, last!]) {
      sealHeader(batch, BASE as Offset, crc32)
      await writer.add(batch)
    }
    const { path, summary } = await writer.finish()
    expect(path).toBe(`data/log/${String(BASE - 10).padStart(20, '0')}.2.log`)
    expectGolden('cleaned-segment', disk.bytesOf(path))
    expectGolden('cleaned-index', disk.bytesOf(path.replace('.log', '.index')))

    const other = emptyDisk()
    other.put(path, Uint8Array.from(readGolden('cleaned-segment')))
    other.put(path.replace('.log', '.index'), Uint8Array.from(readGolden('cleaned-index')))
    other.put(`data/log/${String(BASE + 20).padStart(20, '0')}.log`, new Uint8Array(0))
    const { log } = await openSimLog(other)
    expect(log.sealedSegments).toEqual([{ path, generation: 2, ...summary }])
    expect((await contentsOf(log)).map(([base, next]) => [base, next])).toEqual([
      [BASE, BASE + 2],
      [BASE + 3, BASE + 4],
    ])
    expect(log.epochStarts).toEqual(range.epochStarts)
  })

  test('the fields of a cleaned segment stand at their documented places', () => {
    const bytes = readGolden('cleaned-segment')
    const end = 16 + bytes.readUInt32LE(12)
    expect(bytes.subarray(0, 4).toString()).toBe('GMQK')
    expect([bytes.readUInt32LE(4), bytes.readUInt32LE(8)]).toEqual([crc32(bytes.subarray(8, end)), 1])
    const head = decodeMsgpack(bytes.subarray(16, end)) as unknown[]
    const headBytes = head[8] as number
    const epochs = [2, BASE - 10, 3, BASE - 5, 5, BASE, 6, BASE + 5]
    expect(head).toEqual([
      BASE - 10,
      BASE + 20,
      2,
      2,
      bytes.byteLength,
      1_700_000_000_000,
      1_700_000_000_010,
      epochs,
      headBytes,
    ])
    expect(bytes.subarray(end, headBytes).every((byte) => byte === 0)).toBe(true)
    expect(bytes.subarray(headBytes, headBytes + 4).toString()).toBe('GMQB')
    const index = readGolden('cleaned-index')
    const bodyAt = 16 + index.readUInt32LE(12)
    const columns = Array.from({ length: 10 }, (_, i) => index.readUInt32LE(bodyAt + 4 + 4 * i))
    const [first] = batches()
    expect(columns).toEqual([10, 13, headBytes, headBytes + first!.byteLength, 1, 1, 0, 10, 1, 0])
  })

  test('an index is written as it was when the format was released, and is read', () => {
    const index = new SegmentIndex(BASE as Offset)
    for (const batch of batches()) index.add(batch)
    expectGolden('index', indexFileOf(index))
    const golden = Uint8Array.from(readGolden('index'))
    const decoded = SegmentIndex.decode(golden, crc32)!
    expect(decoded.summary).toEqual(index.summary)
    expect([...decoded.names]).toEqual(['', 'orders/eu', 'é'])
    expect([decoded.entryFor((BASE + 2) as Offset), decoded.entryForTime(1_700_000_000_001)]).toEqual([1, 1])
  })

  test('the fields of an index stand at their documented places', () => {
    const bytes = readGolden('index')
    const bodyAt = 16 + bytes.readUInt32LE(12)
    expect(bytes.subarray(0, 4).toString()).toBe('GMQX')
    expect([bytes.readUInt32LE(4), bytes.readUInt32LE(8)]).toEqual([crc32(bytes.subarray(8, bodyAt)), 1])
    expect(bytes.readUInt32LE(bodyAt)).toBe(crc32(bytes.subarray(bodyAt + 4)))
    const columns = Array.from({ length: 12 }, (_, i) => bytes.readUInt32LE(bodyAt + 4 + 4 * i))
    const [first, second] = batches()
    expect(columns).toEqual([
      ...[0, 2, 3],
      ...[0, first!.byteLength, first!.byteLength + second!.byteLength],
      ...[1, 2, 1],
      ...[0, 10, 10],
    ])
  })

  test('a checkpoint is written as it was when the format was released, and is read', async () => {
    const disk = emptyDisk()
    await writeCheckpoint(disk.mount(), 'data', CHECKPOINT, crc32)
    expectGolden('checkpoint', disk.bytesOf('data/checkpoint'))
    disk.put('data/checkpoint', Uint8Array.from(readGolden('checkpoint')))
    expect(await readCheckpoint(disk.mount(), 'data', crc32)).toEqual(CHECKPOINT)
  })

  test('a checkpoint that says what is under way is written as it was when the format was released, and is read', async () => {
    const disk = emptyDisk()
    const underWay = { ...CHECKPOINT, receivingTo: (2 ** 33 + 9) as Offset, isEmptying: true }
    await writeCheckpoint(disk.mount(), 'data', underWay, crc32)
    expectGolden('checkpoint-under-way', disk.bytesOf('data/checkpoint'))
    disk.put('data/checkpoint', Uint8Array.from(readGolden('checkpoint-under-way')))
    expect(await readCheckpoint(disk.mount(), 'data', crc32)).toEqual(underWay)
  })

  test('a replica record is written as it was when the format was released, and is read', async () => {
    const disk = emptyDisk()
    const record = {
      clusterUuid: '5b1a7c52-33c1-4a8e-9f5e-0d1d8f0c7b11',
      epoch: 7 as Epoch,
      coordinatorId: '14841639068965178418',
      coordinatorRevision: 2 ** 40,
      isFilling: true,
    }
    await replicaRecordStore(location(disk)).save(record)
    expectGolden('replica', disk.bytesOf('data/replica'))
    disk.put('data/replica', Uint8Array.from(readGolden('replica')))
    expect(await replicaRecordStore(location(disk)).load()).toEqual(record)
    expect(readGolden('replica').subarray(0, 4).toString()).toBe('GMQR')
  })

  test('a snapshot is written as it was when the format was released, and is read', async () => {
    const path = 'data/snapshots/00000000000000000100.snapshot'
    const disk = emptyDisk()
    const source = { beginOffset: 100 as Offset, endOffset: () => (2 ** 34) as Offset, entries: ENTRIES }
    await writeSnapshot({ ...location(disk), ...source })
    expectGolden('snapshot', disk.bytesOf(path))
    disk.put(path, Uint8Array.from(readGolden('snapshot')))
    const log = { logStartOffset: 0 as Offset, logEndOffset: (2 ** 35) as Offset }
    expect(await loadSnapshot({ ...location(disk), log })).toMatchObject({ beginOffset: 100, entries: ENTRIES })
  })
})
