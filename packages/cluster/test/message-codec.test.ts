import { concatBytes, type Epoch, type Offset, readU32, writeU32 } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { decodeMessage, encodeMessage } from '../src/message-codec.js'
import type { ReplicaMessage } from '../src/messages.js'
import { sealedBatch } from './support/sealed-batch.js'

const offset = (value: number) => value as Offset
const epochStarts = [
  { epoch: 1 as Epoch, startOffset: offset(0) },
  { epoch: 4 as Epoch, startOffset: offset(2 ** 40) },
]
const batches = [sealedBatch(7), sealedBatch(8, 4, 'x'.repeat(1000))]

const MESSAGES: readonly ReplicaMessage[] = [
  { kind: 'hello', clusterUuid: 'u', id: 'b1', storeId: 's', epoch: 7 as Epoch },
  {
    kind: 'welcome',
    id: 'b2',
    storeId: 's2',
    logStartOffset: offset(3),
    logEndOffset: offset(2 ** 52),
    highWatermark: offset(5),
    appliedOffset: offset(4),
    epochStarts,
  },
  { kind: 'refuse', epoch: 9 as Epoch, reason: 'a greater epoch' },
  { kind: 'cut', offset: offset(12), highWatermark: offset(10) },
  { kind: 'reset', offset: offset(100) },
  { kind: 'snapshot', beginOffset: offset(90), bytes: 5 },
  { kind: 'chunk', bytes: Uint8Array.of(1, 2, 3) },
  { kind: 'chunk', bytes: new Uint8Array(0) },
  { kind: 'append', highWatermark: offset(7), batches },
  { kind: 'append', highWatermark: offset(7), batches: [] },
  { kind: 'cleaned', endOffset: offset(64), epochStarts },
  { kind: 'cleanedBatches', batches },
  { kind: 'cleanedEnd' },
  { kind: 'synced', offset: offset(9) },
  { kind: 'handover' },
]

function frameOf(message: ReplicaMessage): Uint8Array {
  const bytes = concatBytes(encodeMessage(message, crc32))
  expect(readU32(bytes, 0)).toBe(bytes.byteLength - 4)
  return bytes.subarray(4)
}

describe('what brokers say to each other', () => {
  test.each(MESSAGES.map((message) => [message.kind, message] as const))(
    '%s is read as it was written',
    (_, message) => {
      expect(decodeMessage(frameOf(message), crc32)).toEqual(message)
    },
  )

  test('batches are written by reference', () => {
    const chunks = encodeMessage({ kind: 'append', highWatermark: offset(1), batches }, crc32)
    expect(chunks.slice(1)).toEqual(batches)
    expect(chunks[1]).toBe(batches[0])
  })

  test('a frame that is cut short anywhere is refused', () => {
    for (const message of MESSAGES) {
      const frame = frameOf(message)
      for (let bytes = 0; bytes < frame.byteLength; bytes++) {
        // A chunk is whatever is there, and an append may end behind any batch.
        const isCut = message.kind !== 'chunk' && !('batches' in message)
        if (isCut)
          expect(() => decodeMessage(frame.subarray(0, bytes), crc32)).toThrow(/MALFORMED|cannot be read|malformed/)
      }
    }
    const frame = frameOf({ kind: 'append', highWatermark: offset(7), batches })
    const between = frame.byteLength - batches[1]!.byteLength
    for (let bytes = between + 1; bytes < frame.byteLength; bytes++)
      expect(() => decodeMessage(frame.subarray(0, bytes), crc32)).toThrow(/cut short/)
  })

  test('a flipped bit in a batch is noticed', () => {
    const frame = frameOf({ kind: 'append', highWatermark: offset(7), batches })
    const start = frame.byteLength - batches[0]!.byteLength - batches[1]!.byteLength
    for (let at = start; at < frame.byteLength; at++) {
      const flipped = frame.slice()
      flipped[at]! ^= 0x10
      expect(() => decodeMessage(flipped, crc32), `byte ${at - start}`).toThrow(/checksum|cut short/)
    }
  })

  test('a flipped bit in a head, or in what stands before it, is noticed', () => {
    for (const message of MESSAGES) {
      const frame = frameOf(message)
      const headEnd = 8 + readU32(frame, 0)
      for (let bit = 0; bit < 8 * headEnd; bit++) {
        const flipped = frame.slice()
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        expect(() => decodeMessage(flipped, crc32), `${message.kind}, bit ${bit}`).toThrow(/checksum|cut short/)
      }
    }
  })

  test('random bytes are refused or read, and nothing else happens', () => {
    const random = new SeededRandom(20)
    for (let round = 0; round < 20_000; round++) {
      const frame = frameOf(MESSAGES[Math.floor(random.next() * MESSAGES.length)]!).slice()
      for (let flips = 0; flips < 3; flips++) frame[Math.floor(random.next() * frame.byteLength)] = 256 * random.next()
      // As another version might have sent it, so that not all of it ends at the checksum.
      if (round % 2 === 0 && frame.byteLength >= 8 + readU32(frame, 0))
        writeU32(frame, 4, crc32(frame.subarray(8, 8 + readU32(frame, 0))))
      try {
        decodeMessage(frame, crc32)
      } catch (error) {
        expect((error as { code?: string }).code).toMatch(/^(MALFORMED_FRAME|CORRUPT_BATCH)$/)
      }
    }
  })

  test('fields that a newer version adds are passed over', () => {
    const frame = frameOf({ kind: 'synced', offset: offset(9) })
    // The head is a list of two; it becomes one of three.
    const head = concatBytes([Uint8Array.of(0x93), frame.subarray(9), Uint8Array.of(1)])
    const front = new Uint8Array(8)
    writeU32(front, 0, head.byteLength)
    writeU32(front, 4, crc32(head))
    const longer = concatBytes([front, head])
    expect(decodeMessage(longer, crc32)).toEqual({ kind: 'synced', offset: 9 })
  })
})
