import { expect, test } from 'vitest'
import type { Comparison } from '../../src/compare.js'
import { renderPage } from '../../src/report/page.js'
import type { Results } from '../../src/report/results.js'
import { summarize } from '../../src/statistics.js'
import { comparisonOf, figureOf, SYSTEMS } from '../support/figures.js'

function resultsOf(comparisons: readonly Comparison[]): Results {
  return {
    machine: { commit: 'c0ffee', node: 'v20', cpu: 'cpu', cores: 2, memoryGiB: 4, fdatasyncUs: 250 },
    options: { runs: 3, messages: 1000, seconds: 1 },
    systems: SYSTEMS.map((system) => ({ ...system, durability: 'none', setup: 'as it comes', version: '1' })),
    comparisons,
    tables: {},
  }
}

test('a picture says what was lost of the messages that it counts', () => {
  const figure = figureOf('gomq', 5, { messages: 1000, lost: 250 })
  const picture = renderPage(resultsOf([comparisonOf('rate', [figure])]), []).get('publish-100.svg')
  expect(picture).toContain('5, 25 % lost')
})

test('the page of a run shows each picture that it writes, and no other', () => {
  const latency = summarize([1, 2, 3])
  const files = renderPage(
    resultsOf([
      comparisonOf('rate', [figureOf('gomq', 5), figureOf('fast', 2)]),
      comparisonOf('p99', [figureOf('gomq', 5, { workload: 'latency 1000/s', latency })]),
    ]),
    ['--report'],
  )
  const page = files.get('index.md')!
  const shown = [...page.matchAll(/\]\(([\w-]+\.\w+)\)/g)].map((match) => match[1])
  expect(new Set(shown)).toEqual(new Set([...files.keys()].filter((name) => name !== 'index.md')))
  expect(shown).toContain('latency-1000-s-100.svg')
  expect(page).toContain('4,000 a second')
  expect(JSON.parse(files.get('results.json')!).machine.commit).toBe('c0ffee')
})
