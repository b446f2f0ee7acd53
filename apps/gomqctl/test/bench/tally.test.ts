import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Tally } from '../../src/bench/tally.js'

const NONE = new Set<number>()

test('each message that comes once is seen, and none is missing', () => {
  const tally = new Tally(2)
  let news = 0
  for (let sequence = 0; sequence < 20_000; sequence++)
    for (const producer of [0, 1]) if (tally.count(producer, sequence)) news++
  expect(news).toBe(40_000)
  expect([tally.seen, tally.doubled]).toEqual([40_000, 0])
  expect([tally.missing(0, 20_000, NONE), tally.missing(1, 20_000, NONE)]).toEqual([0, 0])
})

test('a message that comes again is doubled, and not seen twice', () => {
  const tally = new Tally(1)
  expect([tally.count(0, 7), tally.count(0, 7), tally.count(0, 7)]).toEqual([true, false, false])
  expect([tally.seen, tally.doubled]).toEqual([1, 2])
})

test('a message that does not come is missing, unless its publish failed', () => {
  const tally = new Tally(2)
  for (const sequence of [0, 1, 3]) tally.count(1, sequence)
  expect(tally.missing(1, 6, NONE)).toBe(3)
  expect(tally.missing(1, 6, new Set([4, 5]))).toBe(1)
  expect(tally.missing(0, 100_000, NONE)).toBe(100_000)
})

test('it counts as sets do', () => {
  const message = fc.record({ producer: fc.nat(2), sequence: fc.nat(30_000) })
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.nat(30_000)), (messages, failed) => {
      const tally = new Tally(3)
      const sets = [0, 1, 2].map(() => new Set<number>())
      let doubled = 0
      for (const { producer, sequence } of messages) {
        const isNew = !sets[producer]!.has(sequence)
        if (!isNew) doubled++
        sets[producer]!.add(sequence)
        expect(tally.count(producer, sequence)).toBe(isNew)
      }
      const excused = new Set(failed)
      for (const producer of [0, 1, 2]) {
        let missing = 0
        for (let each = 0; each < 100; each++) if (!sets[producer]!.has(each) && !excused.has(each)) missing++
        expect(tally.missing(producer, 100, excused)).toBe(missing)
      }
      expect(tally.doubled).toBe(doubled)
      expect(tally.seen).toBe(sets.reduce((sum, { size }) => sum + size, 0))
    }),
    { numRuns: 50 },
  )
})
