import {
  Attribute,
  DeliveredRecords,
  GomqError,
  NO_OFFSET,
  partOfBatch,
  stampUnlogged,
  writeU16,
  writeU32,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { LONG_FACTOR, plainBatch } from '../arbitraries.js'

describe('DeliveredRecords', () => {
  test('messages in no log have no offset and epoch 0, whatever the publisher put into the header', () => {
    const batch = plainBatch(2, 'live', 0)
    batch.fill(0xee, 16, 44)
    stampUnlogged(batch, 555, crc32)
    const delivered = DeliveredRecords.ofBatch(batch, crc32)
    expect([delivered.offsetAt(0), delivered.offsetAt(1)]).toEqual([NO_OFFSET, NO_OFFSET])
    expect([delivered.epoch, delivered.appendTimeMs]).toEqual([0, 555])
    const part = partOfBatch(batch, [1, 2])
    expect(DeliveredRecords.ofPart(part.header, part.ranges, part.payload).offsetAt(0)).toBe(NO_OFFSET)
  })

  test('a batch whose body was damaged on its way is refused', () => {
    const batch = plainBatch(3)
    batch[batch.byteLength - 1]! ^= 1
    expect(() => DeliveredRecords.ofBatch(batch, crc32)).toThrow(expect.objectContaining({ code: 'MALFORMED_BATCH' }))
  })

  test.each([
    ['sparse', Attribute.SPARSE],
    ['compressed', 0x200],
  ])('a %s batch is refused rather than misread', (_, attribute) => {
    const batch = plainBatch(3)
    writeU32(batch, 52, 1 | attribute)
    writeU32(batch, 44, crc32(batch.subarray(48)))
    const refusal = expect.objectContaining({ code: 'UNSUPPORTED_FEATURE' })
    expect(() => DeliveredRecords.ofBatch(batch, crc32)).toThrow(refusal)
    const part = partOfBatch(batch, [0, 1])
    // The part of a sparse batch is not sparse; one that says so is not what it seems.
    writeU32(part.header, 52, 1 | attribute)
    expect(() => DeliveredRecords.ofPart(part.header, part.ranges, part.payload)).toThrow(refusal)
  })

  test('one bad record does not spoil those beside it', () => {
    const batch = plainBatch(3)
    const tableAt = 104 + 3
    const firstEnd = batch[tableAt]!
    batch[tableAt + 12 + firstEnd] = 0xc1
    writeU32(batch, 44, crc32(batch.subarray(48)))
    const delivered = DeliveredRecords.ofBatch(batch, crc32)
    expect(delivered.record(0).isText).toBe(true)
    expect(() => delivered.record(1)).toThrow(expect.objectContaining({ code: 'BAD_RECORD' }))
    expect(delivered.record(2).isText).toBe(true)
  })

  test.each<[string, (part: { header: Uint8Array; ranges: number[]; payload: Uint8Array }) => void]>([
    ['no ranges', (part) => part.ranges.splice(0)],
    ['half a range', (part) => part.ranges.pop()],
    ['an empty range', (part) => part.ranges.splice(0, 2, 1, 1)],
    ['ranges that go back', (part) => part.ranges.splice(0, 4, 3, 4, 0, 2)],
    ['a range outside the batch', (part) => part.ranges.splice(3, 1, 6)],
    ['more records than the payload has', (part) => part.ranges.splice(0, 4, 0, 5)],
    ['a payload that is cut', (part) => (part.payload = part.payload.subarray(0, -1))],
    ['a payload without its table', (part) => (part.payload = part.payload.subarray(0, 5))],
    ['a payload with a byte too many', (part) => (part.payload = new Uint8Array([...part.payload, 0]))],
    ['table positions that go back', (part) => writeU32(part.payload, 4, 1)],
    ['a header without its topic', (part) => (part.header = part.header.subarray(0, 104))],
    ['no header', (part) => (part.header = new Uint8Array(0))],
    ['a header with another magic', (part) => (part.header[0] = 0)],
    ['a header of another version', (part) => (part.header[8] = 2)],
    ['a topic that is no UTF-8', (part) => (part.header[104] = 0xff)],
    ['a topic longer than the header', (part) => writeU16(part.header, 50, 4)],
  ])('a part with %s is refused', (_, damage) => {
    const { header, ranges, payload } = partOfBatch(plainBatch(5), [0, 2, 3, 4])
    const part = { header, ranges, payload }
    expect(DeliveredRecords.ofPart(part.header, part.ranges, part.payload).count).toBe(3)
    damage(part)
    expect(() => DeliveredRecords.ofPart(part.header, part.ranges, part.payload)).toThrow(
      expect.objectContaining({ code: 'MALFORMED_BATCH' }),
    )
  })

  test('a part of random bytes ends in a GomqError or in records that end in one', () => {
    const random = new SeededRandom(99)
    for (let run = 0; run < 10_000 * LONG_FACTOR; run++) {
      const { header, ranges, payload } = partOfBatch(plainBatch(5), [0, 2, 3, 4])
      for (const bytes of [header, payload])
        if (random.chance(0.6)) bytes[random.below(bytes.byteLength)] = random.below(256)
      try {
        const part = DeliveredRecords.ofPart(header, ranges, payload)
        for (let i = 0; i < part.count; i++) part.record(i)
      } catch (error) {
        expect(error).toBeInstanceOf(GomqError)
      }
    }
  })
})
