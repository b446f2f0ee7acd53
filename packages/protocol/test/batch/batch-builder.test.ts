import {
  Attribute,
  attributesOf,
  BATCH_RECORDS_MAX,
  BatchBuilder,
  baseTimestampMsOf,
  batchBytesOf,
  checkBatch,
  DeliveredRecords,
  firstSequenceOf,
  lastOffsetDeltaOf,
  producerEpochOf,
  producerId,
  producerIdOf,
  recordCountOf,
  topicOf,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyRecord, anyTopic, batchOf, isDecodedFrom, LONG_FACTOR } from '../arbitraries.js'

const producer = { baseTimestampMs: 1_700_000_000_000, producerId: producerId(9), producerEpoch: 1, firstSequence: 5 }
const hello = { timestampDeltaMs: 0, key: null, value: 'hello', headers: null }

describe('BatchBuilder', () => {
  test('what was appended is what a consumer reads, for any keys, values, headers and timestamps', () => {
    fc.assert(
      fc.property(anyTopic, fc.array(anyRecord, { minLength: 1, maxLength: 12 }), (topic, records) => {
        const batch = batchOf(topic, records)
        expect(checkBatch(batch, { messageBytesMax: 4 << 20 }, crc32)).toBe(topic)
        const delivered = DeliveredRecords.ofBatch(batch, crc32)
        expect(delivered.topic).toBe(topic)
        expect(delivered.count).toBe(records.length)
        for (let i = 0; i < records.length; i++) expect(isDecodedFrom(delivered.record(i), records[i]!)).toBe(true)
      }),
      { numRuns: 300 * LONG_FACTOR },
    )
  })

  test('is used again for another topic, other attributes and another time to live, once it is empty', () => {
    const builder = new BatchBuilder('a', 1)
    builder.append(hello)
    expect(() => builder.begin('b', 2)).toThrow('finish it first')
    builder.finish(producer, crc32)
    builder.begin('b/c', 2, 500)
    expect([builder.topic, builder.attributes, builder.ttlMs]).toEqual(['b/c', 2 | Attribute.EXPIRING, 500])
    builder.append(hello)
    const fresh = new BatchBuilder('b/c', 2, 500)
    fresh.append(hello)
    expect(builder.finish(producer, crc32)).toEqual(fresh.finish(producer, crc32))
    builder.begin('', Attribute.CONTROL)
    expect([builder.topic, builder.attributes, builder.ttlMs]).toEqual(['', Attribute.CONTROL, 0])
  })

  test('byteLength says at every moment what finish would return', () => {
    const builder = new BatchBuilder('a/b', 1)
    for (let i = 0; i < 40; i++) {
      const before = builder.byteLength
      const recordBytes = builder.append({ ...hello, value: 'é'.repeat(i * 9) })
      expect(builder.byteLength).toBe(before + recordBytes + 4)
      expect(builder.recordCount).toBe(i + 1)
    }
    const expected = builder.byteLength
    expect(builder.finish(producer, crc32).byteLength).toBe(expected)
  })

  test('the header tells topic, attributes, counts and the producer', () => {
    const builder = new BatchBuilder('orders/é', 2)
    builder.append(hello)
    builder.append(hello)
    const batch = builder.finish(producer, crc32)
    expect(topicOf(batch)).toBe('orders/é')
    expect(attributesOf(batch)).toBe(2)
    expect(batchBytesOf(batch)).toBe(batch.byteLength)
    expect([recordCountOf(batch), lastOffsetDeltaOf(batch)]).toEqual([2, 1])
    expect([producerIdOf(batch), producerEpochOf(batch), firstSequenceOf(batch)]).toEqual([9, 1, 5])
    expect(baseTimestampMsOf(batch)).toBe(1_700_000_000_000)
  })

  test('a builder is empty after finish, and its next batch does not touch the one before', () => {
    const builder = new BatchBuilder('t', 1)
    builder.append(hello)
    const first = builder.finish(producer, crc32)
    const copy = first.slice()
    expect(builder.recordCount).toBe(0)
    builder.append({ ...hello, value: 'other' })
    const second = builder.finish(producer, crc32)
    expect(first).toEqual(copy)
    expect(DeliveredRecords.ofBatch(second, crc32).record(0).value).toEqual(new TextEncoder().encode('other'))
  })

  test('a value of many megabytes fits, and the small one after it too', () => {
    const builder = new BatchBuilder('t', 1)
    builder.append({ ...hello, value: 'ä'.repeat(3_000_000) })
    expect(DeliveredRecords.ofBatch(builder.finish(producer, crc32), crc32).record(0).value.byteLength).toBe(6_000_000)
    builder.append(hello)
    expect(DeliveredRecords.ofBatch(builder.finish(producer, crc32), crc32).record(0).value.byteLength).toBe(5)
  })

  test('a record that is refused leaves the batch as it was', () => {
    const builder = new BatchBuilder('t', 1)
    builder.append(hello)
    const headers = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`h${i}`, 'x']))
    expect(() => builder.append({ ...hello, headers })).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
    builder.append(hello)
    const delivered = DeliveredRecords.ofBatch(builder.finish(producer, crc32), crc32)
    expect([delivered.count, delivered.record(1).isText]).toEqual([2, true])
  })

  test('a batch holds 65,536 records and the next one is a bug of the caller', () => {
    const builder = new BatchBuilder('t', 1)
    for (let i = 0; i < BATCH_RECORDS_MAX; i++) builder.append({ ...hello, value: '' })
    expect(() => builder.append(hello)).toThrow(/at most 65536 records/)
    const batch = builder.finish(producer, crc32)
    checkBatch(batch, { messageBytesMax: 1024 }, crc32)
    expect(DeliveredRecords.ofBatch(batch, crc32).count).toBe(65_536)
  })

  test('an empty batch, a time before 1970 and a topic beyond 65,535 bytes are bugs of the caller', () => {
    expect(() => new BatchBuilder('t', 1).finish(producer, crc32)).toThrow(/at least one record/)
    const builder = new BatchBuilder('t', 1)
    builder.append(hello)
    expect(() => builder.finish({ ...producer, baseTimestampMs: -1 }, crc32)).toThrow(/before 1970/)
    expect(() => new BatchBuilder('x'.repeat(65_536), 1)).toThrow(/at most 65535 bytes/)
  })
})
