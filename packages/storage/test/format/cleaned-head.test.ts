import type { Epoch, Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { expect, test } from 'vitest'
import { CLEANED_MAGIC, cleanedHeadBytes, decodeCleanedHead, encodeCleanedHead } from '../../src/format/cleaned-head.js'
import { encodeSealed, readSealed } from '../../src/format/sealed-record.js'

const head = (n: number, epochs: number) => ({
  baseOffset: n as Offset,
  endOffset: (n + 1) as Offset,
  generation: 1 + (n % 7),
  batches: n,
  bytes: n,
  firstTimeMs: n,
  lastTimeMs: n,
  epochStarts: Array.from({ length: epochs }, (_, i) => ({ epoch: (n + i) as Epoch, startOffset: (n + i) as Offset })),
  headBytes: cleanedHeadBytes(epochs, crc32),
})

test('the room that is kept holds a head with any numbers, and zeros behind it; what is written is read', () => {
  for (const n of [0, 1, 200, 70_000, 2 ** 31, 2 ** 33 + 1, 1.7e12, 2 ** 53 - 20]) {
    for (const epochs of [0, 1, 15, 16, 300]) {
      const written = encodeCleanedHead(head(n, epochs), crc32)
      const record = readSealed(written, CLEANED_MAGIC, crc32)!
      expect(written.byteLength).toBe(cleanedHeadBytes(epochs, crc32))
      expect(written.subarray(record.bytes).every((byte) => byte === 0)).toBe(true)
      expect(decodeCleanedHead(record)).toEqual(head(n, epochs))
    }
  }
})

test('one of another version is refused as such', () => {
  const record = readSealed(encodeSealed(CLEANED_MAGIC, 2, ['new'], crc32), CLEANED_MAGIC, crc32)!
  expect(() => decodeCleanedHead(record)).toThrow(
    'a cleaned segment has format version 2 and this program reads version 1',
  )
})
