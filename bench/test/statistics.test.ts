import { expect, test } from 'vitest'
import { median, percentile, summarize } from '../src/statistics.js'

const HUNDRED = Array.from({ length: 100 }, (_, i) => 100 - i)

test('a percentile is the nearest rank: of 1 to 100 the 99th is 99', () => {
  expect([0.01, 0.5, 0.99, 1].map((fraction) => percentile(HUNDRED, fraction))).toEqual([1, 50, 99, 100])
})

test('the median of three runs is the one in the middle', () => {
  expect(median([9, 1, 5])).toBe(5)
})

test('without samples there is nothing to say but 0', () => {
  expect(percentile([], 0.5)).toBe(0)
})

test('a summary has the tail as it was', () => {
  const samples = Array.from({ length: 100_000 }, (_, i) => i + 1)
  const { count, p50Us, p99Us, p999Us, p9999Us, maxUs } = summarize(samples)
  expect([count, p50Us, p99Us, p999Us, p9999Us, maxUs]).toEqual([100_000, 50_000, 99_000, 99_900, 99_990, 100_000])
})

test('a percentile that fewer than five samples lie beyond is not told', () => {
  const tailOf = (length: number) => summarize(Array.from({ length }, (_, i) => i + 1))
  expect(tailOf(4999).p999Us).toBeUndefined()
  expect(tailOf(5000)).toMatchObject({ p999Us: 4995, p9999Us: undefined })
})

test('the curve rises, from the least to the share of 99.99 %', () => {
  const { curve } = summarize(Array.from({ length: 10_000 }, (_, i) => i + 1))
  expect(curve[0]).toEqual([0, 1])
  expect(curve.at(-1)).toEqual([0.9999, 9999])
  for (const [i, [share, us]] of curve.slice(1).entries()) {
    expect(share).toBeGreaterThan(curve[i]![0])
    expect(us).toBeGreaterThanOrEqual(curve[i]![1])
  }
})
