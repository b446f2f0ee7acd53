import {
  DeliveredRecords,
  epoch,
  offset,
  partOfBatch,
  recordBytesOf,
  recordCountOf,
  recordsBytesOf,
  recordsWithin,
  stampLeader,
} from '@gomq/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyRecord, batchOf, isDecodedFrom, LONG_FACTOR, plainBatch } from '../arbitraries.js'

/** The dumb twin: which records the ranges name, one by one. */
function positionsOf(ranges: readonly number[]): number[] {
  const positions: number[] = []
  for (let i = 0; i < ranges.length; i += 2) for (let at = ranges[i]!; at < ranges[i + 1]!; at++) positions.push(at)
  return positions
}

/** Ranges from a choice of records; neighbours may touch, as two ranges or as one. */
function rangesOf(chosen: readonly boolean[], joins: boolean): number[] {
  const ranges: number[] = []
  chosen.forEach((isChosen, at) => {
    if (!isChosen) return
    if (joins && ranges.at(-1) === at) ranges[ranges.length - 1] = at + 1
    else ranges.push(at, at + 1)
  })
  return ranges
}

describe('partOfBatch', () => {
  test('a part holds exactly the records of its ranges, with their offsets', () => {
    const property = fc.property(
      fc.array(fc.tuple(anyRecord, fc.boolean()), { minLength: 1, maxLength: 12 }),
      fc.boolean(),
      (choice, joins) => {
        const chosen = choice.map(([, isChosen]) => isChosen)
        fc.pre(chosen.includes(true))
        const batch = batchOf(
          't',
          choice.map(([record]) => record),
        )
        stampLeader(batch, offset(5000), epoch(2), 123)
        const ranges = rangesOf(chosen, joins)
        const { header, payload } = partOfBatch(batch, ranges)
        const part = DeliveredRecords.ofPart(header, ranges, payload)
        const positions = positionsOf(ranges)
        expect(part.count).toBe(positions.length)
        expect([part.topic, part.epoch, part.appendTimeMs]).toEqual(['t', 2, 123])
        positions.forEach((position, index) => {
          expect(part.offsetAt(index)).toBe(5000 + position)
          expect(part.bytesAt(index)).toBe(recordBytesOf(batch, position))
          expect(isDecodedFrom(part.record(index), choice[position]![0])).toBe(true)
        })
      },
    )
    fc.assert(property, { numRuns: 200 * LONG_FACTOR })
  })

  test('offsets can be asked for in any order', () => {
    const ranges = [0, 2, 5, 9, 9, 10]
    const batch = plainBatch(10)
    stampLeader(batch, offset(100), epoch(1), 0)
    const { header, payload } = partOfBatch(batch, ranges)
    const part = DeliveredRecords.ofPart(header, ranges, payload)
    const expected = positionsOf(ranges).map((position) => 100 + position)
    for (const index of [6, 0, 3, 1, 6, 2, 5, 4]) expect(part.offsetAt(index)).toBe(expected[index])
    expect(() => part.offsetAt(7)).toThrow(/outside the 7/)
  })

  test('header and payload are copies, also of a Buffer', () => {
    const batch = Buffer.from(plainBatch(3))
    const part = partOfBatch(batch, [0, 3])
    const header = Uint8Array.from(part.header)
    const payload = Uint8Array.from(part.payload)
    batch.fill(0)
    expect(Uint8Array.from(part.header)).toEqual(header)
    expect(Uint8Array.from(part.payload)).toEqual(payload)
  })

  test('a range outside the batch is a bug of the caller', () => {
    for (const ranges of [
      [0, 4],
      [2, 2],
      [-1, 1],
      [3, 1],
    ])
      expect(() => partOfBatch(plainBatch(3), ranges)).toThrow(/outside the 3 records/)
  })
})

describe('recordsWithin', () => {
  /** The dumb twin: adds records while they fit, at least one. */
  function countWithin(batch: Uint8Array, from: number, messages: number, bytes: number): number {
    let count = 0
    let used = 0
    for (let at = from; at < recordCountOf(batch); at++) {
      used += recordBytesOf(batch, at)
      if (count > 0 && (count >= messages || used > bytes)) break
      count++
    }
    return count
  }

  test('counts as a loop over the records would, for every start and every credit', () => {
    const property = fc.property(
      fc.array(fc.nat(40), { minLength: 1, maxLength: 40 }),
      fc.nat(),
      fc.nat(45),
      fc.nat(1500),
      (lengths, start, messages, bytes) => {
        const batch = batchOf(
          't',
          lengths.map((length) => ({ timestampDeltaMs: 0, key: null, value: new Uint8Array(length), headers: null })),
        )
        const from = start % lengths.length
        expect(recordsWithin(batch, from, messages, bytes)).toBe(countWithin(batch, from, messages, bytes))
      },
    )
    fc.assert(property, { numRuns: 1000 * LONG_FACTOR })
  })

  test('the bytes of a stretch are the sum of its records', () => {
    const batch = plainBatch(20)
    for (let from = 0; from <= 20; from++) {
      let sum = 0
      for (let to = from; to <= 20; to++) {
        expect(recordsBytesOf(batch, from, to)).toBe(sum)
        if (to < 20) sum += recordBytesOf(batch, to)
      }
    }
  })
})
