import { expect, test } from 'vitest'
import { summaryTable } from '../../src/report/summary.js'
import { summarize } from '../../src/statistics.js'
import { comparisonOf, figureOf, SYSTEMS } from '../support/figures.js'

/** The cells of the rows, without padding. */
function rowsOf(table: string): string[][] {
  return table
    .split('\n')
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

test('rates stand beside the floor, the best peer that syncs, and the best peer', () => {
  const figures = [
    figureOf('floor', 4000),
    figureOf('gomq', 2000),
    figureOf('slow', 100, { durability: 'fsync before ack' }),
    figureOf('fast', 400),
  ]
  expect(rowsOf(summaryTable([comparisonOf('rate', figures)], SYSTEMS))).toEqual([
    ['publish, 100 bytes', '2,000 msg/s', '0.5', '20 slow', '5 fast'],
  ])
})

test('of latencies the lowest p99 is the best; what nobody else does has dashes; memory is left out', () => {
  const latency = (us: number) => ({ latency: summarize([us]) })
  const timed = [
    figureOf('gomq', 10, latency(600)),
    figureOf('slow', 10, latency(4000)),
    figureOf('fast', 10, latency(200)),
  ]
  const table = summaryTable(
    [comparisonOf('p99', timed), comparisonOf('rate', [figureOf('gomq', 5)]), comparisonOf('memory', timed)],
    SYSTEMS,
  )
  expect(rowsOf(table)).toEqual([
    ['publish, 100 bytes', '600 / 600 us', '-', '-', '3 / 3 fast'],
    ['publish, 100 bytes', '5 msg/s', '-', '-', '-'],
  ])
})
