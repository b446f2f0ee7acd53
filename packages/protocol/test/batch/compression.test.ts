import {
  Attribute,
  BatchBuilder,
  baseOffsetOf,
  bodyCrc,
  Compression,
  checkBatch,
  compressionOf,
  DEFLATE_RATIO_MAX,
  DeliveredRecords,
  deflatedBatch,
  epoch,
  epochOf,
  firstSequenceOf,
  GomqError,
  INFLATED_BATCH_BYTES_MAX,
  type Inflate,
  inflatedBatch,
  inflatedBatchBytesOf,
  inflatedRecordsBytesOf,
  isBatchIntact,
  offset,
  partOfBatch,
  producerEpochOf,
  producerId,
  producerIdOf,
  type RecordInput,
  readableBatch,
  readU32,
  recordBytesOf,
  recordCountOf,
  recordsBytesOf,
  recordsStartOf,
  recordsWithin,
  sealHeader,
  stampLeader,
  stampProducer,
  syncedOffsetOf,
  tableStartOf,
  writeU32,
} from '@gomq/protocol'
import { crc32, deflate, inflate } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyRecord, anyTopic, batchOf, isDecodedFrom, LONG_FACTOR } from '../arbitraries.js'

const bounds = { messageBytesMax: 4 * 1024 * 1024 }

/** Records that compress well. */
function orders(count: number): RecordInput[] {
  return Array.from({ length: count }, (_, i) => ({
    timestampDeltaMs: i,
    key: `c${i}`,
    value: `{"id":${i},"status":"paid","note":"deliver to the door"}`,
    headers: null,
  }))
}

function compressed(records: readonly RecordInput[], attributes = 1): Uint8Array {
  const batch = deflatedBatch(batchOf('a/b', records, attributes), deflate, crc32)
  expect(compressionOf(batch)).toBe(Compression.DEFLATE)
  return batch
}

/** The batch with `change` made to it and its body checksum mended: what a producer might send that lies. */
function lying(change: (batch: Uint8Array) => void, batch: Uint8Array = compressed(orders(40))): Uint8Array {
  change(batch)
  writeU32(batch, 44, crc32(batch.subarray(48)))
  return batch
}

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'none'
  } catch (error) {
    if (error instanceof GomqError) return error.code
    throw error
  }
}

describe('a compressed batch', () => {
  test('holds the same records, each of the same size, as the batch it was made of', () => {
    const property = fc.property(anyTopic, fc.array(anyRecord, { minLength: 1, maxLength: 30 }), (topic, records) => {
      const plain = batchOf(topic, [...records, ...orders(60)])
      const batch = deflatedBatch(plain, deflate, crc32)
      if (batch === plain) return
      expect(checkBatch(batch, bounds, crc32)).toBe(topic)
      expect(inflatedBatchBytesOf(batch)).toBe(plain.byteLength)
      expect(Buffer.compare(inflatedBatch(batch, inflate, crc32).subarray(44), plain.subarray(44))).toBe(0)
      const delivered = DeliveredRecords.ofBatch(batch, crc32, { inflate })
      expect(delivered.bytes).toBe(plain.byteLength - recordsStartOf(plain))
      records.forEach((record, i) => {
        expect(delivered.bytesAt(i)).toBe(recordBytesOf(plain, i))
        expect(isDecodedFrom(delivered.record(i), record)).toBe(true)
      })
    })
    fc.assert(property, { numRuns: 100 * LONG_FACTOR })
  })

  test('states its sizes in the table, so that credit counts the same as for a plain one', () => {
    const plain = batchOf('a/b', orders(100))
    const batch = deflatedBatch(plain, deflate, crc32)
    expect(inflatedRecordsBytesOf(batch)).toBe(recordsBytesOf(plain, 0, 100))
    expect(recordsBytesOf(batch, 10, 20)).toBe(recordsBytesOf(plain, 10, 20))
    for (const bytes of [1, 100, 1000, 1_000_000])
      expect(recordsWithin(batch, 7, 50, bytes)).toBe(recordsWithin(plain, 7, 50, bytes))
  })

  test('becomes, uncompressed, a batch that is intact and has the same offsets, times and producer', () => {
    const batch = compressed(orders(50))
    stampProducer(batch, { producerId: producerId(9), producerEpoch: 7, firstSequence: 5 }, crc32)
    stampLeader(batch, offset(1000), epoch(3), 1234)
    sealHeader(batch, offset(990), crc32)
    const plain = inflatedBatch(batch, inflate, crc32)
    expect([isBatchIntact(batch, crc32), isBatchIntact(plain, crc32)]).toEqual([true, true])
    expect([baseOffsetOf(plain), epochOf(plain), syncedOffsetOf(plain), recordCountOf(plain)]).toEqual([
      1000, 3, 990, 50,
    ])
    expect([producerIdOf(plain), producerEpochOf(plain), firstSequenceOf(plain)]).toEqual([9, 7, 5])
    expect([compressionOf(plain), inflatedBatch(plain, inflate, crc32)]).toEqual([Compression.NONE, plain])
  })

  test('is not made where it gains less than a tenth, is small, too large, retained or compressed already', () => {
    const random = new SeededRandom(5)
    const noise = Uint8Array.from({ length: 4000 }, () => random.below(256))
    const record = (value: string | Uint8Array) => [{ timestampDeltaMs: 0, key: null, value, headers: null }]
    for (const batch of [
      batchOf('a', record(noise)),
      batchOf('a', record('x'.repeat(1000))),
      batchOf('a', record('x'.repeat(INFLATED_BATCH_BYTES_MAX))),
      batchOf('a', record('x'.repeat(4000)), 1 | Attribute.RETAIN),
      compressed(orders(50)),
    ])
      expect(deflatedBatch(batch, deflate, crc32)).toBe(batch)
    expect(deflatedBatch(batchOf('a', record('x'.repeat(1024))), deflate, crc32).byteLength).toBeLessThan(200)
  })

  test('may come whole for a few of its records', () => {
    const records = orders(50)
    const batch = compressed(records)
    stampLeader(batch, offset(100), epoch(1), 1)
    const ranges = [3, 5, 10, 11, 48, 50]
    const some = DeliveredRecords.ofBatch(batch, crc32, { inflate, ranges })
    const part = partOfBatch(inflatedBatch(batch, inflate, crc32), ranges)
    const expected = DeliveredRecords.ofPart(part.header, part.ranges, part.payload)
    expect([some.count, some.bytes]).toEqual([5, expected.bytes])
    // Backwards as well: the place of the last look does not matter.
    for (const i of [0, 1, 2, 3, 4, 2, 0, 4]) {
      expect([some.offsetAt(i), some.bytesAt(i)]).toEqual([expected.offsetAt(i), expected.bytesAt(i)])
      expect(some.record(i)).toEqual(expected.record(i))
    }
    expect(some.offsetAt(4)).toBe(149)
    for (const bad of [[], [1], [2, 2], [5, 6, 1, 2], [49, 51]])
      expect(codeOf(() => DeliveredRecords.ofBatch(batch, crc32, { inflate, ranges: bad }))).toBe('MALFORMED_BATCH')
  })

  test('is not decompressed before a record is asked for, and then once', () => {
    let calls = 0
    const counting: Inflate = (bytes, length) => {
      calls++
      return inflate(bytes, length)
    }
    const delivered = DeliveredRecords.ofBatch(compressed(orders(50)), crc32, { inflate: counting })
    expect([delivered.count, delivered.bytes > 0, delivered.bytesAt(3) > 0, calls]).toEqual([50, true, true, 0])
    for (let i = 0; i < 50; i++) expect(delivered.record(i).key).toBe(`c${i}`)
    expect(calls).toBe(1)
  })

  test('has no parts: a part could not be read without the rest', () => {
    expect(() => partOfBatch(compressed(orders(40)), [0, 1])).toThrow('has no parts')
  })
})

describe('a compressed batch that lies', () => {
  test.each<[string, (batch: Uint8Array) => void]>([
    ['is marked as retained', (b) => writeU32(b, 52, 0x204 | 1)],
    ['has a record of four bytes', (b) => writeU32(b, tableStartOf(b), 4)],
    ['has a record that ends before it begins', (b) => writeU32(b, tableStartOf(b) + 4, 1)],
  ])('is refused at the door when it %s', (_, change) => {
    const batch = compressed([...orders(1), ...Array.from({ length: 39 }, () => orders(1)[0]!)])
    expect(codeOf(() => checkBatch(batch, bounds, crc32))).toBe('none')
    expect(codeOf(() => checkBatch(lying(change, batch), { messageBytesMax: 1000 }, crc32))).toMatch(
      /^(MALFORMED_BATCH|MESSAGE_TOO_LARGE)$/,
    )
  })

  test('is refused at the door when it announces more than 1 MiB, or more than deflate can make of its bytes', () => {
    const one = (bytes: number) =>
      batchOf('a', [{ timestampDeltaMs: 0, key: null, value: 'x'.repeat(bytes), headers: null }])
    const bomb = deflatedBatch(one(1_000_000), deflate, crc32)
    expect(bomb.byteLength).toBeLessThan(6000)
    expect(codeOf(() => checkBatch(bomb, bounds, crc32))).toBe('none')
    const end = tableStartOf(bomb)
    const most = INFLATED_BATCH_BYTES_MAX - recordsStartOf(bomb)
    expect(
      codeOf(() =>
        checkBatch(
          lying((b) => writeU32(b, end, most), bomb.slice()),
          bounds,
          crc32,
        ),
      ),
    ).toBe('none')
    const above = lying((b) => writeU32(b, end, most + 1), bomb.slice())
    expect(codeOf(() => checkBatch(above, bounds, crc32))).toBe('MALFORMED_BATCH')
    expect(codeOf(() => DeliveredRecords.ofBatch(above, crc32, { inflate }))).toBe('MALFORMED_BATCH')
    const small = deflatedBatch(one(2000), deflate, crc32)
    const compressedBytes = small.byteLength - recordsStartOf(small)
    const stated = (bytes: number) => lying((b) => writeU32(b, tableStartOf(b), bytes), small.slice())
    expect(codeOf(() => checkBatch(stated(compressedBytes * DEFLATE_RATIO_MAX), bounds, crc32))).toBe('none')
    expect(codeOf(() => checkBatch(stated(compressedBytes * DEFLATE_RATIO_MAX + 1), bounds, crc32))).toBe(
      'MALFORMED_BATCH',
    )
    expect(codeOf(() => checkBatch(stated(compressedBytes), bounds, crc32))).toBe('MALFORMED_BATCH')
  })

  test('is refused at the door when a record is larger than a message may be, and when it would not fit into a frame', () => {
    const values = (bytes: number) =>
      compressed(
        Array.from({ length: 4 }, () => ({ timestampDeltaMs: 0, key: null, value: 'x'.repeat(bytes), headers: null })),
      )
    expect(codeOf(() => checkBatch(values(70_000), { messageBytesMax: 1000 }, crc32))).toBe('MESSAGE_TOO_LARGE')
    expect(codeOf(() => checkBatch(values(66_000), { messageBytesMax: 1000 }, crc32))).toBe('MALFORMED_BATCH')
    expect(codeOf(() => checkBatch(values(60_000), { messageBytesMax: 1000 }, crc32))).toBe('none')
  })

  test.each<[string, (batch: Uint8Array) => Uint8Array]>([
    ['a stream of another length', (b) => lying((it) => stateRecordBytes(it, inflatedRecordsBytesOf(it) + 1), b)],
    [
      'a stream that makes more than is stated',
      (b) => lying((it) => stateRecordBytes(it, inflatedRecordsBytesOf(it) - 1), b),
    ],
    ['no stream', (b) => lying((it) => it.fill(0xff, recordsStartOf(it)), b)],
    ['a stream that is cut', (b) => lying((it) => it.fill(0, it.byteLength - 6), b)],
    ['a byte behind the stream', (b) => withRest(b)],
  ])('with %s is let in, and reaches the consumer as bad records', (_, lie) => {
    const batch = lie(compressed(orders(40)))
    expect(codeOf(() => checkBatch(batch, bounds, crc32))).toBe('none')
    const delivered = DeliveredRecords.ofBatch(batch, crc32, { inflate })
    expect([delivered.count, delivered.offsetAt(39)]).toEqual([40, 39])
    for (let i = 0; i < 40; i++) expect(codeOf(() => delivered.record(i))).toBe('BAD_RECORD')
    expect(codeOf(() => inflatedBatch(batch, inflate, crc32))).toBe('BAD_RECORD')
    const plain = readableBatch(batch, inflate, crc32)
    expect(checkBatch(plain, bounds, crc32)).toBe('a/b')
    const seen = DeliveredRecords.ofBatch(plain, crc32)
    expect([seen.count, seen.offsetAt(39)]).toEqual([40, 39])
    for (let i = 0; i < 40; i++) expect(codeOf(() => seen.record(i))).toBe('BAD_RECORD')
  })

  test('never makes the reader hold more than it states, which is never more than 1 MiB', () => {
    const lengths: number[] = []
    const watching: Inflate = (bytes, length) => {
      lengths.push(length)
      return inflate(bytes, length)
    }
    const random = new SeededRandom(41)
    for (let run = 0; run < 3000 * LONG_FACTOR; run++) {
      const batch = compressed(orders(40))
      const start = tableStartOf(batch)
      for (let i = 0; i <= random.below(4); i++)
        batch[start + random.below(batch.byteLength - start)] = random.below(256)
      writeU32(batch, 44, bodyCrc(batch, crc32))
      try {
        const delivered = DeliveredRecords.ofBatch(batch, crc32, { inflate: watching })
        for (let i = 0; i < delivered.count; i++) delivered.record(i)
        readableBatch(batch, watching, crc32)
      } catch (error) {
        expect(error).toBeInstanceOf(GomqError)
      }
    }
    expect(lengths.length).toBeGreaterThan(1000)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(INFLATED_BATCH_BYTES_MAX)
  })
})

/** Moves the end of the last record. */
function stateRecordBytes(batch: Uint8Array, bytes: number): void {
  const at = recordsStartOf(batch) - 4
  expect(readU32(batch, at)).not.toBe(bytes)
  writeU32(batch, at, bytes)
}

function withRest(batch: Uint8Array): Uint8Array {
  const longer = new Uint8Array(batch.byteLength + 1)
  longer.set(batch)
  return lying((it) => writeU32(it, 12, it.byteLength), longer)
}

test('a builder goes on after its batch was compressed', () => {
  const builder = new BatchBuilder('a', 1)
  const producer = { baseTimestampMs: 1, producerId: producerId(0), producerEpoch: 0, firstSequence: 0 }
  for (const record of orders(50)) builder.append(record)
  const first = deflatedBatch(builder.finish(producer, crc32), deflate, crc32)
  for (const record of orders(50)) builder.append(record)
  expect(Buffer.compare(deflatedBatch(builder.finish(producer, crc32), deflate, crc32), first)).toBe(0)
})
