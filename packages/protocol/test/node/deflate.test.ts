import { deflate, inflate } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'

describe('inflate', () => {
  test('gives back what deflate was given, whatever its length', () => {
    const random = new SeededRandom(3)
    for (const length of [1, 63, 64, 65, 16_384, 131_072, 131_073, 1_000_000]) {
      const bytes = Uint8Array.from({ length }, () => random.below(4))
      expect(Buffer.compare(inflate(deflate(bytes), length), bytes)).toBe(0)
    }
  })

  test('throws rather than give more or fewer bytes than are asked for', () => {
    const stream = deflate(new Uint8Array(1000))
    expect(inflate(stream, 1000).byteLength).toBe(1000)
    expect(() => inflate(stream, 999)).toThrow()
    expect(() => inflate(stream, 1001)).toThrow('1000 bytes instead of 1001')
  })

  test('throws at a stream that is cut, damaged, or followed by more', () => {
    const stream = deflate(new Uint8Array(1000).fill(7))
    expect(() => inflate(stream.subarray(0, stream.byteLength - 1), 1000)).toThrow()
    expect(() => inflate(new Uint8Array([0xff, 0xff]), 1000)).toThrow()
    expect(() => inflate(new Uint8Array(0), 1000)).toThrow()
    expect(() => inflate(new Uint8Array([...stream, 0]), 1000)).toThrow('1 bytes too early')
  })

  test('stops a bomb at the length that was asked for', () => {
    const bomb = deflate(new Uint8Array(64 * 1024 * 1024))
    expect(bomb.byteLength).toBeLessThan(400_000)
    const before = process.memoryUsage().arrayBuffers
    expect(() => inflate(bomb, 1000)).toThrow()
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024)
  })
})
