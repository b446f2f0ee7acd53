import {
  Attribute,
  appendTimeMsOf,
  attributesOf,
  baseOffsetOf,
  checkBatch,
  DeliveredRecords,
  decodeRecord,
  epoch,
  epochOf,
  equalBytes,
  HEADER_BYTES,
  hasHoles,
  isBatchIntact,
  isHole,
  lastOffsetDeltaOf,
  offset,
  partOfBatch,
  presentCountOf,
  presentRanges,
  producerIdOf,
  type RecordInput,
  recordBytesOf,
  recordCountOf,
  recordsBytesOf,
  recordsStartOf,
  recordsWithin,
  sealHeader,
  stampLeader,
  syncedOffsetOf,
  topicOf,
  withHoles,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyRecord, anyTopic, batchOf, isDecodedFrom, LONG_FACTOR, plainBatch } from '../arbitraries.js'

/** Records and, for each, in which of two cleanings it goes; 2: it stays. One stays at least. */
const anyChoice = fc
  .array(fc.tuple(anyRecord, fc.constantFrom(0, 1, 2, 2)), { minLength: 1, maxLength: 12 })
  .filter((choice) => choice.some(([, goes]) => goes === 2))

function storedBatch(topic: string, records: readonly RecordInput[]): Uint8Array {
  return stored(batchOf(topic, records))
}

function stored(batch: Uint8Array): Uint8Array {
  stampLeader(batch, offset(5000), epoch(7), 1_700_000_000_000)
  sealHeader(batch, offset(4990), crc32)
  return batch
}

describe('a batch with holes', () => {
  test('keeps header, offsets and the records that stay, byte by byte, over any number of cleanings', () => {
    const property = fc.property(anyTopic, anyChoice, (topic, choice) => {
      const before = storedBatch(
        topic,
        choice.map(([record]) => record),
      )
      const copy = before.slice()
      let batch = before
      for (const round of [0, 1]) {
        const isKept = (index: number) => choice[index]![1] > round
        batch = withHoles(batch, isKept, crc32)
        expect(isBatchIntact(batch, crc32)).toBe(true)
        for (const field of [
          baseOffsetOf,
          lastOffsetDeltaOf,
          recordCountOf,
          epochOf,
          appendTimeMsOf,
          syncedOffsetOf,
          producerIdOf,
          topicOf,
        ])
          expect(field(batch)).toBe(field(before))
        // All that lies between the checksums and the table, but for length and attributes.
        expect(equalBytes(batch.subarray(56, HEADER_BYTES), before.subarray(56, HEADER_BYTES))).toBe(true)
        const removes = choice.some(([, goes]) => goes <= round)
        expect(hasHoles(batch)).toBe(removes)
        expect(attributesOf(batch)).toBe(removes ? attributesOf(before) | Attribute.SPARSE : attributesOf(before))
        let end = 0
        choice.forEach(([record], index) => {
          expect(isHole(batch, index)).toBe(!isKept(index))
          const bytes = recordBytesOf(batch, index)
          expect(bytes).toBe(isKept(index) ? recordBytesOf(before, index) : 0)
          const start = recordsStartOf(batch) + end
          if (isKept(index)) expect(isDecodedFrom(decodeRecord(batch, start, start + bytes), record)).toBe(true)
          end += bytes
        })
        expect(recordsStartOf(batch) + end).toBe(batch.byteLength)
        expect(presentCountOf(batch)).toBe(choice.filter((_, index) => isKept(index)).length)
      }
      expect(equalBytes(before, copy)).toBe(true)
    })
    fc.assert(property, { numRuns: 300 * LONG_FACTOR })
  })

  test('gives the ranges of the records that are there, and a part of them reads as one of the batch without holes', () => {
    const property = fc.property(anyChoice, fc.nat(12), fc.nat(12), (choice, a, b) => {
      const before = storedBatch(
        't',
        choice.map(([record]) => record),
      )
      const batch = withHoles(before, (index) => choice[index]![1] === 2, crc32)
      const from = Math.min(a, b, choice.length)
      const to = Math.min(Math.max(a, b), choice.length)
      const ranges = presentRanges(batch, from, to)
      const named: number[] = []
      for (let i = 0; i < ranges.length; i += 2) {
        expect(ranges[i]).toBeGreaterThan(ranges[i - 1] ?? -1)
        for (let index = ranges[i]!; index < ranges[i + 1]!; index++) named.push(index)
      }
      const expected = choice.flatMap(([, goes], index) => (goes === 2 && index >= from && index < to ? [index] : []))
      expect(named).toEqual(expected)
      if (expected.length === 0) return
      const part = partOfBatch(batch, ranges)
      const records = DeliveredRecords.ofPart(part.header, part.ranges, part.payload)
      expect(records.count).toBe(expected.length)
      expect(records.attributes & Attribute.SPARSE).toBe(0)
      expected.forEach((index, at) => {
        expect(records.offsetAt(at)).toBe(5000 + index)
        expect(isDecodedFrom(records.record(at), choice[index]![0])).toBe(true)
      })
      expect(equalBytes(part.payload, partOfBatch(before, ranges).payload)).toBe(true)
    })
    fc.assert(property, { numRuns: 300 * LONG_FACTOR })
  })

  test('counts a hole as a record of no bytes: in sums, and in what fits into a credit', () => {
    const property = fc.property(
      anyChoice,
      fc.nat(12),
      fc.integer({ min: 1, max: 12 }),
      fc.nat(500),
      (choice, at, messages, bytes) => {
        const before = storedBatch(
          't',
          choice.map(([record]) => record),
        )
        const batch = withHoles(before, (index) => choice[index]![1] === 2, crc32)
        const from = at % choice.length
        let sum = 0
        let fits = 0
        for (let index = from; index < Math.min(choice.length, from + messages); index++) {
          sum += recordBytesOf(batch, index)
          expect(recordsBytesOf(batch, from, index + 1)).toBe(sum)
          if (sum <= bytes || index === from) fits = index - from + 1
        }
        expect(recordsWithin(batch, from, messages, bytes)).toBe(fits)
      },
    )
    fc.assert(property, { numRuns: 300 * LONG_FACTOR })
  })

  test('is the batch itself if nothing goes', () => {
    const batch = stored(plainBatch(3))
    expect(withHoles(batch, () => true, crc32)).toBe(batch)
    expect(presentRanges(batch)).toEqual([0, recordCountOf(batch)])
    expect(isHole(batch, 0)).toBe(false)
  })

  test('of which nothing is kept is a bug, and so is one that is compressed', () => {
    const batch = stored(plainBatch(3))
    expect(() => withHoles(batch, () => false, crc32)).toThrow('dropped as a whole')
    batch[53]! |= 0x2
    expect(() => withHoles(batch, () => false, crc32)).toThrow('compressed')
  })

  test('is refused from a producer, and by a client as a whole', () => {
    const batch = withHoles(plainBatch(200), (index) => index === 7, crc32)
    const refused = expect.objectContaining({ code: 'UNSUPPORTED_FEATURE' })
    expect(() => checkBatch(batch, { messageBytesMax: 1000 }, crc32)).toThrow(refused)
    expect(() => DeliveredRecords.ofBatch(batch, crc32)).toThrow(refused)
  })
})
