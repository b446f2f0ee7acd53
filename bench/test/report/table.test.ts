import { expect, test } from 'vitest'
import { comparisonTable, grouped, markdownTable } from '../../src/report/table.js'
import { summarize } from '../../src/statistics.js'
import { comparisonOf, figureOf, SYSTEMS } from '../support/figures.js'

/** The cells of a column, by system. */
function columnOf(table: string, column: string): Record<string, string> {
  const [head, , ...rows] = table.split('\n').map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  const cells = rows.filter((row) => row.length === head!.length)
  return Object.fromEntries(cells.map((row) => [row[head!.indexOf('system')]!, row[head!.indexOf(column)]!]))
}

test('rates are compared with the floor and with the fastest peer', () => {
  const figures = [figureOf('floor', 4000), figureOf('gomq', 2000), figureOf('slow', 100), figureOf('fast', 200)]
  const table = comparisonTable(comparisonOf('rate', figures), SYSTEMS)
  expect(columnOf(table, 'rate / floor')).toEqual({ floor: '1', gomq: '0.5', slow: '0.025', fast: '0.05' })
  expect(columnOf(table, 'rate / best peer')).toEqual({ floor: '20', gomq: '10', slow: '0.5', fast: '1' })
})

test('of latencies the lowest p99 of a peer is the best', () => {
  const latency = (us: number) => ({ latency: summarize([us]) })
  const figures = [
    figureOf('gomq', 1000, latency(500)),
    figureOf('slow', 1000, latency(4000)),
    figureOf('fast', 1000, latency(1000)),
  ]
  const table = comparisonTable(comparisonOf('p99', figures), SYSTEMS)
  expect(columnOf(table, 'p99 / best peer')).toEqual({ gomq: '0.5', slow: '4', fast: '1' })
})

test('a system that cannot do it has a dash, and the reason below', () => {
  const gaps = [{ workload: 'publish', system: 'fast', reason: 'it does not publish' }]
  const table = comparisonTable(comparisonOf('rate', [figureOf('gomq', 1)], gaps), SYSTEMS)
  expect(columnOf(table, 'msg/s')['fast']).toBe('-')
  expect(table).toContain('- `fast`: it does not publish')
})

test('systems that are left out for one reason share its line', () => {
  const gaps = ['slow', 'fast'].map((system) => ({ workload: 'publish', system, reason: 'it does not publish' }))
  const table = comparisonTable(comparisonOf('rate', [figureOf('gomq', 1)], gaps), SYSTEMS)
  expect(table).toContain('- `slow`, `fast`: it does not publish')
})

test('columns that say nothing are left out, and losses are shown only where there are some', () => {
  expect(markdownTable([{ a: '1', b: '' }])).toBe('| a |\n|--:|\n| 1 |')
  const exact = comparisonTable(comparisonOf('rate', [figureOf('gomq', 1)]), SYSTEMS)
  const lossy = comparisonTable(comparisonOf('rate', [figureOf('gomq', 1, { lost: 7 })]), SYSTEMS)
  expect(exact).not.toContain('lost')
  expect(columnOf(lossy, 'lost')).toEqual({ gomq: '7' })
})

test('a rate is shown in bytes too, and how far the other runs lie from it', () => {
  const figures = [figureOf('floor', 4000), figureOf('gomq', 100_000, { ratesPerSec: [90_000, 100_000, 120_000] })]
  const table = comparisonTable(comparisonOf('rate', figures), SYSTEMS)
  expect(columnOf(table, 'MB/s')).toEqual({ floor: '0.4', gomq: '10.0' })
  expect(columnOf(table, 'runs +-%')).toEqual({ floor: '', gomq: '20' })
})

test('what an idle broker takes is its resident memory; the least is the best, and there is no rate', () => {
  const idle = (rssMiB: number) => ({ idle: { rssMiB, cpuPercent: 0.5 } })
  const figures = [figureOf('gomq', 0, idle(60)), figureOf('slow', 0, idle(120)), figureOf('fast', 0, idle(30))]
  const table = comparisonTable(comparisonOf('memory', figures), SYSTEMS)
  expect(columnOf(table, 'idle MiB')).toEqual({ gomq: '60', slow: '120', fast: '30' })
  expect(columnOf(table, 'memory / best peer')).toEqual({ gomq: '2', slow: '4', fast: '1' })
  expect(table).not.toContain('msg')
})

test('what rounds to zero has no sign', () => {
  expect([grouped(-0.3), grouped(-1234.5)]).toEqual(['0', '-1,234'])
})
