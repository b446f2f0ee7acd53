import { expect, test } from 'vitest'
import { barChart } from '../../src/report/bars.js'

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
})

test('names are text, never markup', () => {
  const svg = barChart('a < b & "c"', [{ label: '<script>', value: 1, text: '1', colour: '#000000' }])
  expect(svg).toContain('a &lt; b &amp; &quot;c&quot;')
  expect(svg).not.toContain('<script>')
})
