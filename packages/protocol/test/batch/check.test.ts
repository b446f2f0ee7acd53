import {
  Attribute,
  BatchBuilder,
  checkBatch,
  type ErrorCode,
  epoch,
  GomqError,
  isBatchIntact,
  isHeaderIntact,
  offset,
  producerId,
  sealHeader,
  stampLeader,
  stampProducer,
  writeU16,
  writeU32,
  writeU64,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { batchOf, LONG_FACTOR, plainBatch } from '../arbitraries.js'

const bounds = { messageBytesMax: 1000 }
const producer = { producerId: producerId(77), producerEpoch: 3, firstSequence: 1000 }

/** Changes a valid batch of three records and mends its body checksum, so that only the change itself can be what is refused. */
function changed(change: (batch: Uint8Array) => void, attributes = 1): Uint8Array {
  const batch = plainBatch(3, 'a/b', attributes)
  change(batch)
  const crcAt = 44
  writeU32(batch, crcAt, crc32(batch.subarray(48)))
  return batch
}

function codeOf(batch: Uint8Array, limits = bounds): ErrorCode | 'accepted' {
  try {
    checkBatch(batch, limits, crc32)
    return 'accepted'
  } catch (error) {
    if (error instanceof GomqError) return error.code
    throw error
  }
}

describe('checkBatch', () => {
  test('accepts what the builder makes and returns its topic', () => {
    expect(checkBatch(plainBatch(3, 'a/b'), bounds, crc32)).toBe('a/b')
    expect(codeOf(changed(() => {}))).toBe('accepted')
  })

  test('refuses a change of any one byte from the checksum on, and of magic, version and length', () => {
    const valid = plainBatch(3)
    for (let at = 0; at < valid.byteLength; at++) {
      const isLeaders = (at >= 4 && at < 8) || (at >= 16 && at < 44)
      for (const flip of [0x01, 0x80, 0xff]) {
        const batch = valid.slice()
        batch[at]! ^= flip
        const code = codeOf(batch)
        if (isLeaders) expect(code, `byte ${at}`).toBe('accepted')
        else expect(['MALFORMED_BATCH', 'UNSUPPORTED_FEATURE', 'MESSAGE_TOO_LARGE'], `byte ${at}`).toContain(code)
      }
    }
  })

  test('refuses every truncation and every byte too many', () => {
    const valid = plainBatch(3)
    for (let length = 0; length < valid.byteLength; length++)
      expect(codeOf(valid.subarray(0, length))).toBe('MALFORMED_BATCH')
    expect(codeOf(new Uint8Array([...valid, 0]))).toBe('MALFORMED_BATCH')
  })

  test.each<[string, ErrorCode, (batch: Uint8Array) => void]>([
    ['another shard', 'MALFORMED_BATCH', (b) => writeU16(b, 10, 1)],
    ['a required feature', 'UNSUPPORTED_FEATURE', (b) => writeU16(b, 48, 1)],
    ['an unknown attribute', 'UNSUPPORTED_FEATURE', (b) => writeU32(b, 52, 0x801)],
    ['the highest attribute bit', 'UNSUPPORTED_FEATURE', (b) => writeU32(b, 52, 0x8000_0001)],
    ['sparse offsets', 'UNSUPPORTED_FEATURE', (b) => writeU32(b, 52, Attribute.SPARSE | 1)],
    ['a delay', 'UNSUPPORTED_FEATURE', (b) => writeU32(b, 52, Attribute.DELAYED | 1)],
    ['an expiry without a time to live', 'MALFORMED_BATCH', (b) => writeU32(b, 52, Attribute.EXPIRING | 1)],
    ['a time to live without the attribute', 'MALFORMED_BATCH', (b) => writeU32(b, 88, 1)],
    ['an atomic group', 'UNSUPPORTED_FEATURE', (b) => writeU32(b, 52, Attribute.ATOMIC_CONTINUES | 1)],
    ['a compression that version 1 does not know', 'UNSUPPORTED_FEATURE', (b) => writeU32(b, 52, 0x401)],
    ['the mark of compression on plain records', 'MALFORMED_BATCH', (b) => writeU32(b, 52, 0x201)],
    ['the control mark', 'MALFORMED_BATCH', (b) => writeU32(b, 52, Attribute.CONTROL | 1)],
    ['QoS 3', 'MALFORMED_BATCH', (b) => writeU32(b, 52, 3)],
    ['retain with three records', 'MALFORMED_BATCH', (b) => writeU32(b, 52, Attribute.RETAIN | 1)],
    ['a wrong last offset delta', 'MALFORMED_BATCH', (b) => writeU32(b, 56, 3)],
    ['no records', 'MALFORMED_BATCH', (b) => writeU32(b, 60, 0)],
    ['four records announced', 'MALFORMED_BATCH', (b) => writeU32(b, 60, 4)],
    ['4 billion records announced', 'MALFORMED_BATCH', (b) => writeU32(b, 60, 0xffff_ffff)],
    ['a reserved byte', 'MALFORMED_BATCH', (b) => writeU16(b, 102, 1)],
    ['a producer id above 2^53', 'MALFORMED_BATCH', (b) => writeU64(b, 72, 2 ** 53)],
    ['a timestamp above 2^53', 'MALFORMED_BATCH', (b) => b.fill(0xff, 64, 72)],
    ['a topic as long as the batch', 'MALFORMED_BATCH', (b) => writeU16(b, 50, 0xffff)],
    ['a record end before its start', 'MALFORMED_BATCH', (b) => writeU32(b, 107 + 4, 2)],
    ['a record of four bytes', 'MALFORMED_BATCH', (b) => writeU32(b, 107, 4)],
    ['a last end before the end', 'MALFORMED_BATCH', (b) => writeU32(b, 107 + 8, 20)],
    ['a last end after the end', 'MALFORMED_BATCH', (b) => writeU32(b, 107 + 8, 22)],
    ['a record end far outside', 'MESSAGE_TOO_LARGE', (b) => writeU32(b, 107 + 8, 0xffff_ffff)],
    ['a topic with a wildcard', 'INVALID_TOPIC', (b) => b.set([0x2b], 104)],
    ['a topic with NUL', 'INVALID_TOPIC', (b) => b.set([0], 104)],
    ['a topic that is no UTF-8', 'INVALID_TOPIC', (b) => b.set([0xff], 104)],
  ])('refuses %s although the checksum holds', (_, code, change) => {
    expect(codeOf(changed(change))).toBe(code)
  })

  test('refuses an empty topic', () => {
    expect(codeOf(plainBatch(1, ''))).toBe('INVALID_TOPIC')
  })

  test('retain with one record and QoS 2 are accepted', () => {
    expect(codeOf(plainBatch(1, 'r', Attribute.RETAIN | 2))).toBe('accepted')
  })

  test('a value of the greatest size passes, and one that no header could explain does not', () => {
    const fits = batchOf('t', [{ timestampDeltaMs: 0, key: null, value: new Uint8Array(1000), headers: null }])
    expect(codeOf(fits)).toBe('accepted')
    const large = batchOf('t', [
      { timestampDeltaMs: 0, key: null, value: new Uint8Array(1000 + 65_536), headers: null },
    ])
    expect(codeOf(large)).toBe('MESSAGE_TOO_LARGE')
    expect(() => checkBatch(large, bounds, crc32)).toThrow(/the limit is 1000 for a message/)
  })

  test('never throws anything but a GomqError, whatever bytes change and whatever checksum they have', () => {
    const random = new SeededRandom(4711)
    const valid = plainBatch(8, 'some/topic')
    const accepted = { count: 0 }
    for (let run = 0; run < 20_000 * LONG_FACTOR; run++) {
      const batch = valid.slice(0, random.chance(0.9) ? valid.byteLength : random.below(valid.byteLength + 1))
      for (let i = random.below(4); i >= 0; i--)
        if (batch.byteLength > 0) batch[random.below(batch.byteLength)] = random.below(256)
      if (batch.byteLength >= 104) writeU32(batch, 12, batch.byteLength)
      if (batch.byteLength >= 104 && random.chance(0.7)) writeU32(batch, 44, crc32(batch.subarray(48)))
      if (codeOf(batch) === 'accepted') accepted.count++
    }
    expect(accepted.count).toBeGreaterThan(100)
  })
})

describe('isBatchIntact', () => {
  const stored = plainBatch(3)
  stampLeader(stored, offset(42), epoch(7), 1234)
  sealHeader(stored, offset(40), crc32)

  test('a sealed batch is intact, and no batch with one flipped bit is', () => {
    expect(isBatchIntact(stored, crc32)).toBe(true)
    for (let at = 0; at < stored.byteLength; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const batch = stored.slice()
        batch[at]! ^= 1 << bit
        expect(isBatchIntact(batch, crc32), `byte ${at}, bit ${bit}`).toBe(false)
      }
    }
  })

  test('a torn batch is not intact, at whatever byte it ends', () => {
    for (let length = 0; length < stored.byteLength; length++) {
      expect(isBatchIntact(stored.subarray(0, length), crc32)).toBe(false)
      const zeroed = stored.slice().fill(0, length)
      expect(isBatchIntact(zeroed, crc32), `zeros from ${length}`).toBe(
        length > stored.findLastIndex((byte) => byte !== 0),
      )
    }
  })

  test('the header alone can be judged, with or without the body', () => {
    expect(isHeaderIntact(stored.subarray(0, 104), crc32)).toBe(true)
    expect(isHeaderIntact(stored.subarray(0, 103), crc32)).toBe(false)
    const batch = stored.slice()
    batch[batch.byteLength - 1]! ^= 1
    expect(isHeaderIntact(batch, crc32)).toBe(true)
    batch[20]! ^= 1
    expect(isHeaderIntact(batch, crc32)).toBe(false)
  })

  test('an empty builder topic is a control batch and is intact too', () => {
    const builder = new BatchBuilder('', Attribute.CONTROL)
    builder.append({ timestampDeltaMs: 0, key: null, value: new Uint8Array([0x93, 1, 1, 0]), headers: null })
    const batch = builder.finish({ ...producer, producerId: producerId(0), baseTimestampMs: 0 }, crc32)
    sealHeader(batch, offset(0), crc32)
    expect(isBatchIntact(batch, crc32)).toBe(true)
    expect(codeOf(batch)).toBe('MALFORMED_BATCH')
  })

  test('a new stamp of the producer keeps a batch valid', () => {
    const batch = plainBatch(2)
    stampProducer(
      batch,
      { producerId: producerId(2 ** 53 - 1), producerEpoch: 65_535, firstSequence: 0xffff_ffff },
      crc32,
    )
    expect(codeOf(batch)).toBe('accepted')
  })
})
