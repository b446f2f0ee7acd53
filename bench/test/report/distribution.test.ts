import { expect, test } from 'vitest'
import { distributionChart, ninesOf } from '../../src/report/distribution.js'

const LINE = { label: 'a', note: '', colour: '#000000', samples: 1e6 }

test('a picture without a measurement is a picture all the same', () => {
  expect(distributionChart('nothing', '', [])).not.toMatch(/NaN|Infinity/)
})

test('nines: 90 % is one, 99.9 % three', () => {
  expect([0, 0.9, 0.999].map((share) => Math.round(1e6 * ninesOf(share)) / 1e6)).toEqual([0, 1, 3])
})

test('a distribution goes to the right with the share and up with the time', () => {
  const points = [
    [0, 100],
    [0.9, 1000],
    [0.99, 10_000],
  ] as const
  const svg = distributionChart('latency', '', [{ ...LINE, points }])
  const path = /points="([^"]+)"/
    .exec(svg)![1]!
    .split(' ')
    .map((point) => point.split(',').map(Number))
  const [first, second, third] = path as [number[], number[], number[]]
  // Each nine and each factor of ten is a step of the same width.
  expect(second[0]! - first[0]!).toBeCloseTo(third[0]! - second[0]!, 0)
  expect(first[1]! - second[1]!).toBeCloseTo(second[1]! - third[1]!, 0)
  expect(second[1]!).toBeLessThan(first[1]!)
})

test('what fewer than five samples say is not drawn', () => {
  const points = [0, 0.9, 0.99, 0.999].map((share) => [share, 100] as const)
  const svg = distributionChart('latency', '', [{ ...LINE, samples: 1000, points }])
  expect(/points="([^"]+)"/.exec(svg)![1]!.split(' ')).toHaveLength(3)
})
