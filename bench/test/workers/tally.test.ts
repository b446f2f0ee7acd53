import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Tally } from '../../src/workers/tally.js'
import { dueUsOf, makeValues, slotOf, slotsFor, timedValue } from '../../src/workers/values.js'

const SLOTS = 7

function tallyOf(indexes: readonly number[]): Tally {
  const tally = new Tally(SLOTS)
  for (const index of indexes) tally.add(index % SLOTS)
  return tally
}

test('every message once, in any order, is exact', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100 }), fc.func(fc.integer()), (sent, orderOf) => {
      const indexes = Array.from({ length: sent }, (_, i) => i).sort((a, b) => orderOf(a) - orderOf(b))
      expect(tallyOf(indexes).audit(sent)).toEqual({ lost: 0, duplicated: 0 })
    }),
  )
})

test('a message that is missing and one that came twice are both counted', () => {
  expect(tallyOf([0, 1, 3, 4, 4, 5, 6, 7, 8, 9]).audit(10)).toEqual({ lost: 1, duplicated: 1 })
})

test('what was never sent counts as a copy', () => {
  expect(tallyOf([0, 1, 2]).audit(2)).toEqual({ lost: 0, duplicated: 1 })
})

test('a slot that nobody has is refused', () => {
  expect(() => new Tally(SLOTS).add(SLOTS)).toThrow(RangeError)
})

test('values carry their slot and have the size that was asked for', () => {
  for (const [bytes, isJson] of [
    [16, false],
    [100, false],
    [300, true],
    [1024 * 1024, false],
  ] as const) {
    const valueAt = makeValues(bytes, isJson)
    const slots = slotsFor(bytes)
    for (const index of [0, 1, slots - 1, slots, 3 * slots + 2]) {
      expect(valueAt(index).byteLength).toBe(bytes)
      expect(slotOf(valueAt(index))).toBe(index % slots)
    }
  }
})

test('JSON values differ, so that a compressor has something to do', () => {
  const valueAt = makeValues(300, true)
  expect(valueAt(0).subarray(16)).not.toEqual(valueAt(1).subarray(16))
})

test('a timed value carries its slot and its moment', () => {
  const value = timedValue(100, slotsFor(100) + 5, 1234.5)
  expect([value.byteLength, slotOf(value), dueUsOf(value)]).toEqual([100, 5, 1234.5])
})
