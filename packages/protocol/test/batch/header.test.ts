import {
  Attribute,
  appendTimeMsOf,
  attributesOf,
  BatchBuilder,
  baseOffsetOf,
  bodyCrcOf,
  checkBatch,
  clearRetain,
  epoch,
  epochOf,
  firstSequenceOf,
  HEADER_BYTES,
  headerCrcOf,
  isControl,
  KNOWN_ATTRIBUTES,
  nextOffsetOf,
  offset,
  producerEpochOf,
  producerId,
  producerIdOf,
  qosOf,
  recordsStartOf,
  sealHeader,
  stampLeader,
  stampProducer,
  syncedOffsetOf,
  tableStartOf,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { plainBatch } from '../arbitraries.js'

describe('the batch header', () => {
  test('every value the leader stamps is read back, up to the greatest', () => {
    const anyU53 = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1))
    fc.assert(
      fc.property(anyU53, anyU53, anyU53, fc.nat(0xffff_ffff), (base, timeMs, synced, reign) => {
        const batch = plainBatch(3)
        stampLeader(batch, offset(base), epoch(reign), timeMs)
        sealHeader(batch, offset(synced), crc32)
        expect([baseOffsetOf(batch), appendTimeMsOf(batch), syncedOffsetOf(batch), epochOf(batch)]).toEqual([
          base,
          timeMs,
          synced,
          reign,
        ])
        if (base < 2 ** 53 - 4) expect(nextOffsetOf(batch)).toBe(base + 3)
      }),
    )
  })

  test('a retained batch is made one that is not, and nothing else of it changes', () => {
    const builder = new BatchBuilder('a', Attribute.RETAIN | 1)
    builder.append({ timestampDeltaMs: 0, key: null, value: 'v', headers: null })
    const batch = builder.finish(
      { baseTimestampMs: 5, producerId: producerId(7), producerEpoch: 2, firstSequence: 3 },
      crc32,
    )
    clearRetain(batch, crc32)
    expect(checkBatch(batch, { messageBytesMax: 10 }, crc32)).toBe('a')
    expect([attributesOf(batch), producerIdOf(batch), firstSequenceOf(batch)]).toEqual([1, 7, 3])
  })

  test('what the leader and the disk stamp does not touch the checksum of the body', () => {
    const batch = plainBatch(3)
    const body = bodyCrcOf(batch)
    const header = headerCrcOf(batch)
    stampLeader(batch, offset(2 ** 50), epoch(2 ** 32 - 1), 2 ** 50)
    sealHeader(batch, offset(2 ** 50), crc32)
    expect(bodyCrcOf(batch)).toBe(body)
    expect(crc32(batch.subarray(48))).toBe(body)
    expect(headerCrcOf(batch)).not.toBe(header)
  })

  test('a producer can stamp a batch again, and the checksum follows', () => {
    const batch = plainBatch(1)
    stampProducer(
      batch,
      { producerId: producerId(2 ** 53 - 1), producerEpoch: 65_535, firstSequence: 2 ** 32 - 1 },
      crc32,
    )
    expect([producerIdOf(batch), producerEpochOf(batch), firstSequenceOf(batch)]).toEqual([
      2 ** 53 - 1,
      65_535,
      2 ** 32 - 1,
    ])
    expect(crc32(batch.subarray(48))).toBe(bodyCrcOf(batch))
  })

  test('qos and control are read from the attributes', () => {
    for (const qos of [0, 1, 2]) expect(qosOf(plainBatch(1, 't', qos | Attribute.RETAIN))).toBe(qos)
    expect(isControl(plainBatch(1, 't', Attribute.CONTROL))).toBe(true)
    expect(isControl(plainBatch(1, 't', KNOWN_ATTRIBUTES & ~Attribute.CONTROL))).toBe(false)
  })

  test('the table follows the topic and the records follow the table', () => {
    const batch = plainBatch(3, 'é/x')
    expect(tableStartOf(batch)).toBe(HEADER_BYTES + 4)
    expect(recordsStartOf(batch)).toBe(HEADER_BYTES + 4 + 12)
    expect(batch[recordsStartOf(batch)]).toBe(0x94)
  })
})
