import { expect, test } from 'vitest'
import { type BarFrame, barChart } from '../../src/report/bars.js'

const FRAME: BarFrame = { title: 'rates', axis: 'messages a second', foot: 'a machine' }

/** Numbers of an attribute of all elements of a kind. */
function numbersOf(svg: string, element: string, attribute: string): number[] {
  const pattern = new RegExp(`<${element} [^>]*?\\b${attribute}="([\\d.]+)"[^>]*fill="#0`, 'g')
  return [...svg.matchAll(pattern)].map((match) => Number(match[1]))
}

test('bars begin at zero and are as long as their values', () => {
  const colour = '#00ff00'
  const svg = barChart(FRAME, [
    { label: 'a', note: '', value: 100, text: '100', colour },
    { label: 'b', note: '', value: 25, text: '25', colour },
    { label: 'c', note: '', value: 0, text: '0', colour },
  ])
  const [a, b, c] = numbersOf(svg, 'rect', 'width')
  expect([b! / a!, c]).toEqual([0.25, 0])
  expect(new Set(numbersOf(svg, 'rect', 'x')).size).toBe(1)
})

test('a picture without a measurement is a picture all the same', () => {
  expect(barChart(FRAME, [])).not.toMatch(/NaN|Infinity/)
})

test('names are text, never markup', () => {
  const svg = barChart({ ...FRAME, title: 'a < b & "c"' }, [
    { label: '<script>', note: '', value: 1, text: '1', colour: '#000000' },
  ])
  expect(svg).toContain('a &lt; b &amp; &quot;c&quot;')
  expect(svg).not.toContain('<script>')
})

test('the longest bar is the first; the axis has its unit and round marks, and durability stands below the name', () => {
  const bar = { note: 'fsync before ack', text: '', colour: '#000000' }
  const svg = barChart(FRAME, [
    { ...bar, label: 'slow', value: 90_000 },
    { ...bar, label: 'fast', value: 2_400_000 },
  ])
  const texts = [...svg.matchAll(/<text [^>]*>([^<]+)</g)].map((match) => match[1]!)
  expect(texts.indexOf('fast')).toBeLessThan(texts.indexOf('slow'))
  expect(texts).toEqual(expect.arrayContaining(['0', '500 k', '1 M', '2 M', 'messages a second', 'fsync before ack']))
})
