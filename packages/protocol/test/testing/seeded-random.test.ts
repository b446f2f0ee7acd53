import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'

test('the same seed gives the same numbers for ever, another seed gives others', () => {
  const numbers = (seed: number) => {
    const random = new SeededRandom(seed)
    return [random.below(1000), random.below(1000), random.below(1000)]
  }
  expect(numbers(42)).toEqual([601, 448, 852])
  expect(numbers(43)).not.toEqual(numbers(42))
})

test('numbers lie between 0 and 1 and are spread evenly', () => {
  const random = new SeededRandom(7)
  const buckets = new Array<number>(10).fill(0)
  for (let i = 0; i < 100_000; i++) buckets[Math.floor(random.next() * 10)]!++
  for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500)
  expect([random.chance(0), random.chance(1), random.pick(['only'])]).toEqual([false, true, 'only'])
})
