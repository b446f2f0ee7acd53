import { encodeMsgpack, GomqError, MSGPACK_DEPTH_MAX, MSGPACK_ELEMENTS_MAX, scanMsgpack } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import fc from 'fast-check'
import { Unpackr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { anyBytes, anyText, LONG_FACTOR } from './arbitraries.js'

const anyValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    anyText,
    anyBytes,
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.array(fc.tuple(anyText, tie('value')), { maxLength: 20 }).map((entries) => new Map(entries)),
  ),
})).value

const refusal = expect.objectContaining({ code: 'MALFORMED_FRAME' })
const bytesOf = (...bytes: number[]) => new Uint8Array(bytes)

describe('scanMsgpack', () => {
  test('accepts whatever a packer makes of plain values, and nothing that is one byte shorter or longer', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const packed = encodeMsgpack(value)
        scanMsgpack(packed)
        expect(() => scanMsgpack(packed.subarray(0, -1))).toThrow(GomqError)
        expect(() => scanMsgpack(Buffer.concat([packed, bytesOf(0)]))).toThrow(/1 bytes follow the value/)
      }),
      { numRuns: 500 * LONG_FACTOR },
    )
  })

  test('what it accepts, a decoder reads to the last byte', () => {
    const unpacker = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: 'bigint' })
    const random = new SeededRandom(2024)
    let accepted = 0
    for (let run = 0; run < 40_000 * LONG_FACTOR; run++) {
      const bytes = Uint8Array.from({ length: 1 + random.below(12) }, () =>
        random.chance(0.5)
          ? random.pick([0x90, 0x91, 0x92, 0x81, 0xa1, 0xa3, 0xc4, 0xd9, 0xdc, 0, 1, 2, 0x61])
          : random.below(256),
      )
      try {
        scanMsgpack(bytes)
      } catch (error) {
        if (!(error instanceof GomqError)) throw error
        continue
      }
      accepted++
      unpacker.unpack(bytes)
    }
    expect(accepted).toBeGreaterThan(1000)
  })

  test('eight levels pass and nine do not', () => {
    const nested = (depth: number) => bytesOf(...new Array<number>(depth).fill(0x91), 0xc0)
    scanMsgpack(nested(MSGPACK_DEPTH_MAX))
    expect(() => scanMsgpack(nested(MSGPACK_DEPTH_MAX + 1))).toThrow(/nested deeper than 8/)
  })

  test('a megabyte of opening brackets is refused at once', () => {
    for (const tag of [0x91, 0x81, 0x9f, 0x8f])
      expect(() => scanMsgpack(new Uint8Array(1 << 20).fill(tag))).toThrow(refusal)
  })

  test('arrays and maps of every size are walked to their end', () => {
    for (const size of [0, 1, 15, 16, 17, 300, 65_535, 65_536, 70_000]) {
      scanMsgpack(encodeMsgpack(new Array(size).fill(1)))
      if (2 * size <= MSGPACK_ELEMENTS_MAX)
        scanMsgpack(encodeMsgpack(new Map(Array.from({ length: size }, (_, i) => [i, null]))))
    }
    scanMsgpack(bytesOf(0xdf, 0, 0, 0, 1, 7, 8))
    expect(() => scanMsgpack(bytesOf(0xdf, 0, 0, 0, 1, 7))).toThrow(refusal)
  })

  test('an announcement is refused before its elements are walked', () => {
    expect(() => scanMsgpack(bytesOf(0xdd, 0xff, 0xff, 0xff, 0xff, 0))).toThrow(
      /announces 4294967295 elements and 1 bytes are left/,
    )
  })

  test('lengths that no bytes stand behind are refused', () => {
    for (const tag of [0xc4, 0xc5, 0xc6, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf]) {
      expect(() => scanMsgpack(bytesOf(tag)), `${tag}`).toThrow(refusal)
      expect(() => scanMsgpack(bytesOf(tag, 0xff, 0xff, 0xff, 0xff)), `${tag}`).toThrow(refusal)
      expect(() => scanMsgpack(bytesOf(tag, 0x7f, 0xff, 0xff, 0xff, 0)), `${tag}`).toThrow(refusal)
    }
  })

  test('every extension, every reserved tag and the records of msgpackr are refused', () => {
    for (const tag of [0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]) {
      expect(() => scanMsgpack(bytesOf(tag, 0x72, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))).toThrow(
        /extension or reserved/,
      )
      expect(() => scanMsgpack(bytesOf(0x91, tag, 0x72, 0x40, 0, 0))).toThrow(/extension or reserved/)
    }
  })

  test('more elements than the limit are refused, also when spread over arrays', () => {
    const flat = Buffer.concat([bytesOf(0xdd, 0, 1, 0x86, 0xa1), new Uint8Array(MSGPACK_ELEMENTS_MAX + 1)])
    expect(() => scanMsgpack(flat)).toThrow(/more than 100000 elements/)
    const half = Buffer.concat([bytesOf(0xdc, 0xff, 0xff), new Uint8Array(65_535)])
    expect(() => scanMsgpack(Buffer.concat([bytesOf(0x92), half, half]))).toThrow(/more than 100000 elements/)
    scanMsgpack(Buffer.concat([bytesOf(0x91), half]))
  })

  test('[MQTT-1.5.4-1] text that is no UTF-8 is refused wherever it stands', () => {
    for (const text of [
      [0xa1, 0xff],
      [0xa2, 0xc0, 0x80],
      [0xd9, 3, 0xed, 0xa0, 0x80],
      [0xda, 0, 1, 0x80],
    ]) {
      expect(() => scanMsgpack(bytesOf(...text))).toThrow(/not well-formed UTF-8/)
      expect(() => scanMsgpack(bytesOf(0x81, ...text, 0))).toThrow(/not well-formed UTF-8/)
    }
    scanMsgpack(bytesOf(0xc4, 1, 0xff))
  })

  test('an empty input is refused', () => {
    expect(() => scanMsgpack(bytesOf())).toThrow(/ends too early/)
  })

  test('a refusal does not spoil the next scan', () => {
    expect(() => scanMsgpack(bytesOf(0x93, 0x93, 1))).toThrow(GomqError)
    scanMsgpack(bytesOf(0x92, 1, 0x91, 2))
  })
})
