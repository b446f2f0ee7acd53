import { expect, test } from 'vitest'
import { barChart } from '../../src/report/bars.js'
import { distributionChart, ninesOf } from '../../src/report/distribution.js'

/** Numbers of an attribute of all elements of a kind. */
function numbersOf(svg: string, element: string, attribute: string): number[] {
  const pattern = new RegExp(`<${element} [^>]*?\\b${attribute}="([\\d.]+)"[^>]*fill="#0`, 'g')
  return [...svg.matchAll(pattern)].map((match) => Number(match[1]))
}

test('bars begin at zero and are as long as their values', () => {
  const colour = '#00ff00'
  const svg = barChart('rates', [
    { label: 'a', value: 100, text: '100', colour },
    { label: 'b', value: 25, text: '25', colour },
    { label: 'c', value: 0, text: '0', colour },
  ])
  const [a, b, c] = numbersOf(svg, 'rect', 'width')
  expect([b! / a!, c]).toEqual([0.25, 0])
  expect(new Set(numbersOf(svg, 'rect', 'x')).size).toBe(1)
})

test('a picture without a measurement is a picture all the same', () => {
  expect(barChart('nothing', [])).not.toMatch(/NaN|Infinity/)
  expect(distributionChart('nothing', [])).not.toMatch(/NaN|Infinity/)
})

test('names are text, never markup', () => {
  const svg = barChart('a < b & "c"', [{ label: '<script>', value: 1, text: '1', colour: '#000000' }])
  expect(svg).toContain('a &lt; b &amp; &quot;c&quot;')
  expect(svg).not.toContain('<script>')
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
  const svg = distributionChart('latency', [{ label: 'a', colour: '#000000', points }])
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
