import { decodeUtf8, encodeUtf8, isUtf8, utf8Bytes, writeUtf8 } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyText, LONG_FACTOR } from './arbitraries.js'

describe('UTF-8', () => {
  test('any well-formed text comes back, a byte order mark included', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const bytes = encodeUtf8(text)
        expect(decodeUtf8(bytes)).toBe(text)
        expect(isUtf8(bytes, 0, bytes.byteLength)).toBe(true)
      }),
    )
  })

  test('any text, also with lone surrogates, has the bytes that were counted and written', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }),
        fc.nat(4),
        (text, at) => {
          const bytes = encodeUtf8(text)
          expect(utf8Bytes(text)).toBe(bytes.byteLength)
          const target = new Uint8Array(at + text.length * 3)
          expect(writeUtf8(target, at, text)).toBe(bytes.byteLength)
          expect(Buffer.compare(target.subarray(at, at + bytes.byteLength), bytes)).toBe(0)
        },
      ),
      { numRuns: 500 * LONG_FACTOR },
    )
  })

  test('isUtf8 agrees with the decoder on random bytes', () => {
    const random = new SeededRandom(8)
    const decoder = new TextDecoder('utf-8', { fatal: true })
    const edges = [
      0x61, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff,
    ]
    let wellFormed = 0
    for (let run = 0; run < 50_000 * LONG_FACTOR; run++) {
      const bytes = Uint8Array.from({ length: random.below(6) }, () => random.pick(edges))
      let expected = true
      try {
        decoder.decode(bytes)
      } catch {
        expected = false
      }
      if (isUtf8(bytes, 0, bytes.byteLength) !== expected) expect.fail(`${[...bytes]} should be ${expected}`)
      if (expected && bytes.some((byte) => byte > 0x7f)) wellFormed++
    }
    expect(wellFormed).toBeGreaterThan(100)
  })

  test('a sequence that ends after the end is not well-formed, whatever follows', () => {
    expect(isUtf8(new Uint8Array([0xc3, 0xa9]), 0, 1)).toBe(false)
    expect(isUtf8(new Uint8Array([0x61, 0xc3, 0xa9, 0x61]), 1, 3)).toBe(true)
  })

  test('bytes that are no UTF-8 are refused, short or long', () => {
    for (const bytes of [[0xff], [0xc0, 0x80], new Array<number>(100).fill(0xbf)])
      expect(() => decodeUtf8(new Uint8Array(bytes))).toThrow(TypeError)
  })
})
