import {
  concatBytes,
  equalBytes,
  plainBytes,
  readU16,
  readU32,
  readU64,
  writeU16,
  writeU32,
  writeU64,
} from '@gomq/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

describe('little-endian numbers', () => {
  test('agree with DataView at any position', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.nat(0xffff_ffff), fc.maxSafeNat(), fc.nat(9), (u16, u32, u64, at) => {
        const bytes = new Uint8Array(32)
        const view = new DataView(bytes.buffer)
        writeU16(bytes, at, u16)
        expect([readU16(bytes, at), view.getUint16(at, true)]).toEqual([u16, u16])
        writeU32(bytes, at, u32)
        expect([readU32(bytes, at), view.getUint32(at, true)]).toEqual([u32, u32])
        writeU64(bytes, at, u64)
        expect([readU64(bytes, at), view.getBigUint64(at, true)]).toEqual([u64, BigInt(u64)])
      }),
    )
  })

  test('a u64 beyond 2^53 - 1 reads as no safe integer', () => {
    const bytes = new Uint8Array(8)
    const view = new DataView(bytes.buffer)
    for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      view.setBigUint64(0, value, true)
      expect(Number.isSafeInteger(readU64(bytes, 0))).toBe(false)
    }
  })
})

describe('bytes', () => {
  test('parts are joined in order, and equality is by content', () => {
    const joined = concatBytes([new Uint8Array([1]), new Uint8Array(0), new Uint8Array([2, 3])])
    expect(equalBytes(joined, new Uint8Array([1, 2, 3]))).toBe(true)
    expect(equalBytes(joined, new Uint8Array([1, 2, 4]))).toBe(false)
    expect(equalBytes(joined, new Uint8Array([1, 2]))).toBe(false)
  })

  test('plain bytes of a Buffer are the same memory, and slice copies them', () => {
    const buffer = Buffer.from([1, 2, 3])
    const plain = plainBytes(buffer)
    expect(plain.constructor).toBe(Uint8Array)
    const copy = plain.slice()
    buffer[0] = 9
    expect([plain[0], copy[0]]).toEqual([9, 1])
    expect(plainBytes(copy)).toBe(copy)
  })
})
