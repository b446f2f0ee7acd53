import { decodeRecord, encodeMsgpack, GomqError, recordBytesBound, writeRecord } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyRecord, isDecodedFrom, LONG_FACTOR } from '../arbitraries.js'

const decode = (bytes: Uint8Array) => decodeRecord(bytes, 0, bytes.byteLength)

/** A number beyond 32 bits as the packer's integer; it would pack a plain one as a float. */
function asInt64(value: number): number | bigint {
  return Math.abs(value) > 0x7fff_ffff ? BigInt(value) : value
}

describe('decodeRecord', () => {
  test('reads what a general msgpack packer wrote, with every size of integer, text and bytes', () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        const headers = record.headers === null ? null : new Map(Object.entries(record.headers))
        const packed = encodeMsgpack([asInt64(record.timestampDeltaMs), record.key, record.value, headers])
        expect(isDecodedFrom(decode(packed), record)).toBe(true)
      }),
      { numRuns: 300 * LONG_FACTOR },
    )
  })

  test.each([
    ['0xd0', [0xd0, 0x80], -128],
    ['0xd1', [0xd1, 0x80, 0], -32_768],
    ['0xd2', [0xd2, 0x80, 0, 0, 0], -(2 ** 31)],
    ['0xd3', [0xd3, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], -(2 ** 32)],
    ['0xcf', [0xcf, 0, 0, 0, 1, 0, 0, 0, 0], 2 ** 32],
    ['0xcc', [0xcc, 0xff], 255],
    ['a negative fixint', [0xe0], -32],
  ])('reads a timestamp with tag %s', (_, timestamp, expected) => {
    expect(decode(new Uint8Array([0x94, ...timestamp, 0xc0, 0xa0, 0xc0])).timestampDeltaMs).toBe(expected)
  })

  test('takes a record for what lies between its ends, whatever lies around', () => {
    for (const length of [0, 1, 31, 32, 127, 255, 256])
      for (const value of ['x'.repeat(length), new Uint8Array(length).fill(0xc0)])
        for (const timestampDeltaMs of [0, 127, 128]) {
          // What ends a record, on both sides of it.
          const bytes = new Uint8Array(1024).fill(0xc0)
          const record = { timestampDeltaMs, key: null, value, headers: null }
          const end = writeRecord(bytes, 50, record)
          expect(isDecodedFrom(decodeRecord(bytes, 50, end), record)).toBe(true)
          expect(decodeRecord(bytes, 50, end)).toEqual(decode(bytes.slice(50, end)))
          for (let wrong = 50; wrong < end; wrong++) expect(() => decodeRecord(bytes, 50, wrong)).toThrow(GomqError)
          expect(() => decodeRecord(bytes, 50, end + 1)).toThrow(GomqError)
        }
  })

  test('fields after the fourth are ignored, and bytes after four fields are not', () => {
    expect(decode(new Uint8Array([0x95, 0, 0xc0, 0xa1, 0x61, 0xc0, 0xc1])).isText).toBe(true)
    expect(() => decode(new Uint8Array([0x94, 0, 0xc0, 0xa1, 0x61, 0xc0, 0xc1]))).toThrow(/1 bytes after the record/)
  })

  test.each<[string, number[]]>([
    ['no array', [0x80]],
    ['three fields', [0x93, 0, 0xc0, 0xa0]],
    ['nothing', []],
    ['a timestamp that is text', [0x94, 0xa0, 0xc0, 0xa0, 0xc0]],
    ['a timestamp beyond 2^53', [0x94, 0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0, 0xc0, 0xa0, 0xc0]],
    ['a value that is nil', [0x94, 0, 0xc0, 0xc0, 0xc0]],
    ['a value that is a number', [0x94, 0, 0xc0, 1, 0xc0]],
    ['a value longer than the record', [0x94, 0, 0xc0, 0xc6, 0xff, 0xff, 0xff, 0xff]],
    ['a key that is an array', [0x94, 0, 0x90, 0xa0, 0xc0]],
    ['a key that is no UTF-8', [0x94, 0, 0xa1, 0xff, 0xa0, 0xc0]],
    ['headers that are an array', [0x94, 0, 0xc0, 0xa0, 0x90]],
    ['65 headers', [0x94, 0, 0xc0, 0xa0, 0xde, 0, 65]],
    ['a header name that is bytes', [0x94, 0, 0xc0, 0xa0, 0x81, 0xc4, 0, 0xa0]],
    ['a header name that is no UTF-8', [0x94, 0, 0xc0, 0xa0, 0x81, 0xa1, 0xff, 0xa0]],
    ['a header that is a map', [0x94, 0, 0xc0, 0xa0, 0x81, 0xa0, 0x80]],
    ['an extension', [0x94, 0, 0xc0, 0xd4, 0x72, 0x40, 0xc0]],
  ])('a record with %s is a bad record', (_, bytes) => {
    expect(() => decode(new Uint8Array(bytes))).toThrow(expect.objectContaining({ code: 'BAD_RECORD' }))
  })

  test('header names that mean something to JavaScript are plain names', () => {
    const headers = new Map([
      ['__proto__', 'polluted'],
      ['constructor', 'c'],
    ])
    const record = decode(encodeMsgpack([0, null, '', headers]))
    expect(Object.getPrototypeOf(record.headers)).toBe(null)
    const [first] = Object.values(record.headers!)
    expect(first).toBe('polluted')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(Object.keys(record.headers!)).toEqual(['__proto__', 'constructor'])
  })

  test('never reads outside its bounds: neighbours change nothing', () => {
    fc.assert(
      fc.property(anyRecord, fc.uint8Array({ minLength: 1, maxLength: 30 }), (record, around) => {
        const bytes = new Uint8Array(recordBytesBound(record))
        const length = writeRecord(bytes, 0, record)
        const framed = Buffer.concat([around, bytes.subarray(0, length), around])
        expect(isDecodedFrom(decodeRecord(framed, around.length, around.length + length), record)).toBe(true)
        for (let cut = 1; cut < Math.min(length, 40); cut++)
          expect(() => decodeRecord(framed, around.length, around.length + length - cut)).toThrow(GomqError)
      }),
      { numRuns: 60 * LONG_FACTOR },
    )
  })

  test('random and mutated records throw nothing but BAD_RECORD', () => {
    const random = new SeededRandom(7)
    const valid = encodeMsgpack([
      5,
      'key',
      new Uint8Array(20),
      new Map([
        ['h', 'v'],
        ['é', '😀'],
      ]),
    ])
    let decoded = 0
    for (let run = 0; run < 30_000 * LONG_FACTOR; run++) {
      const bytes = Uint8Array.from(valid)
      for (let i = random.below(3); i >= 0; i--) bytes[random.below(bytes.byteLength)] = random.below(256)
      try {
        decode(bytes)
        decoded++
      } catch (error) {
        if (!(error instanceof GomqError) || error.code !== 'BAD_RECORD') throw error
      }
    }
    expect(decoded).toBeGreaterThan(1000)
  })
})
