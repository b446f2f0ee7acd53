import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TextCache } from '../../src/batch/text-cache.js'
import { anyText } from '../arbitraries.js'

describe('TextCache', () => {
  test('returns what decoding would, however often and in whatever order texts come', () => {
    const cache = new TextCache()
    const encoder = new TextEncoder()
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 30 }), fc.nat(5), (texts, before) => {
        for (const text of [...texts, ...texts]) {
          const utf8 = encoder.encode(text)
          const bytes = new Uint8Array(before + utf8.byteLength + 2)
          bytes.set(utf8, before)
          expect(cache.decode(bytes, before, before + utf8.byteLength)).toBe(text)
        }
      }),
    )
  })

  test('two texts that share a slot do not become each other', () => {
    const cache = new TextCache()
    const encode = (text: string) => new TextEncoder().encode(text)
    for (const text of ['abcde', 'aXcYe', 'abcde', 'aXcYe']) expect(cache.decode(encode(text), 0, 5)).toBe(text)
  })

  test('a text does not change when the bytes it came from do', () => {
    const cache = new TextCache()
    const bytes = new Uint8Array([0x61, 0x62])
    expect(cache.decode(bytes, 0, 2)).toBe('ab')
    bytes[1] = 0x63
    expect(cache.decode(bytes, 0, 2)).toBe('ac')
  })

  test('bytes that are no UTF-8 are refused every time', () => {
    const cache = new TextCache()
    for (let i = 0; i < 3; i++) expect(() => cache.decode(new Uint8Array([0xff]), 0, 1)).toThrow(TypeError)
  })
})
