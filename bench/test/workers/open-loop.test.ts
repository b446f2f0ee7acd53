import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OpenLoop } from '../../src/workers/open-loop.js'

test('1,000 messages a second are one each millisecond', () => {
  const schedule = new OpenLoop(1000)
  expect(schedule.burst).toBe(1)
  expect([0, 1, 2, 999].map((index) => schedule.dueUs(index))).toEqual([0, 1000, 2000, 999_000])
})

test('10,000 messages a second are five each half millisecond', () => {
  const schedule = new OpenLoop(10_000)
  expect(schedule.burst).toBe(5)
  expect([0, 4, 5, 9, 10].map((index) => schedule.dueUs(index))).toEqual([0, 0, 500, 500, 1000])
})

test('nothing is due before the start', () => {
  expect(new OpenLoop(1000).dueCount(-1)).toBe(0)
})

test('a message is due from its moment on, however late one looks', () => {
  const rates = fc.integer({ min: 1, max: 100_000 })
  fc.assert(
    fc.property(rates, fc.integer({ min: 0, max: 1_000_000 }), (ratePerSec, index) => {
      const schedule = new OpenLoop(ratePerSec)
      const dueUs = schedule.dueUs(index)
      // A moment of floating point on either side.
      expect(schedule.dueCount(dueUs + 0.01)).toBeGreaterThan(index)
      expect(schedule.dueCount(dueUs - 0.01)).toBeLessThanOrEqual(index)
    }),
  )
})

test('a schedule keeps its rate', () => {
  for (const ratePerSec of [1, 999, 1000, 2500, 10_000, 33_333])
    expect(new OpenLoop(ratePerSec).dueUs(10 * ratePerSec) / 1e7).toBeCloseTo(1, 2)
})
