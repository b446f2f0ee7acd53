import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Histogram } from '../../src/bench/histogram.js'

function histogramOf(latenciesMs: readonly number[]): Histogram {
  const histogram = new Histogram()
  for (const latencyMs of latenciesMs) histogram.record(latencyMs)
  return histogram
}

/** What is exact: the latency at the rank, of all in order. */
function exactPercentile(latenciesMs: readonly number[], percent: number): number {
  const sorted = [...latenciesMs].sort((a, b) => a - b)
  return sorted[Math.max(1, Math.ceil((percent / 100) * sorted.length - 1e-6)) - 1]!
}

describe('a histogram', () => {
  test('that is empty has zeros', () => {
    const histogram = new Histogram()
    expect([histogram.count, histogram.maxMs, histogram.percentileMs(50)]).toEqual([0, 0, 0])
  })

  test('knows the percentiles of 1 to 1000 microseconds exactly', () => {
    const histogram = histogramOf(Array.from({ length: 1000 }, (_, i) => (i + 1) / 1000))
    expect([50, 90, 99, 99.9, 99.99, 100].map((percent) => histogram.percentileMs(percent))).toEqual([
      0.5, 0.9, 0.99, 0.999, 1, 1,
    ])
  })

  test('is at most a thousandth above what is exact, whatever it counts', () => {
    const latency = fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 0xffff_ffff }))
    fc.assert(
      fc.property(fc.array(latency, { minLength: 1 }), fc.constantFrom(1, 50, 90, 99, 99.9, 100), (micros, percent) => {
        const latenciesMs = micros.map((each) => each / 1000)
        const histogram = histogramOf(latenciesMs)
        const exactMs = exactPercentile(latenciesMs, percent)
        expect(histogram.percentileMs(percent)).toBeGreaterThanOrEqual(exactMs)
        expect(histogram.percentileMs(percent)).toBeLessThanOrEqual(exactMs * 1.001)
        expect(histogram.maxMs).toBe(Math.max(...latenciesMs))
        expect(histogram.percentileMs(100)).toBe(histogram.maxMs)
      }),
    )
  })

  test('holds what is too small or too great at its ends', () => {
    const histogram = histogramOf([-1, 1e12])
    expect(histogram.percentileMs(50)).toBe(0)
    expect(histogram.maxMs).toBe(0xffff_ffff / 1000)
  })

  test('that is added to another is the histogram of all', () => {
    const histogram = histogramOf([1, 2])
    histogram.add(histogramOf([3, 400]))
    const all = histogramOf([1, 2, 3, 400])
    for (const percent of [25, 50, 75, 100]) expect(histogram.percentileMs(percent)).toBe(all.percentileMs(percent))
    expect([histogram.count, histogram.maxMs]).toEqual([4, 400])
  })
})
