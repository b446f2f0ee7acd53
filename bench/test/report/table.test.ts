import { expect, test } from 'vitest'
import { type Comparison, compare, middleOf } from '../../src/compare.js'
import type { Figure } from '../../src/figure.js'
import { renderPage } from '../../src/report/page.js'
import { comparisonTable, markdownTable } from '../../src/report/table.js'
import { summarize } from '../../src/statistics.js'
import type { System } from '../../src/systems/system.js'
import type { Workload, WorkloadContext } from '../../src/workloads/workload.js'

const SYSTEMS = [
  { name: 'floor', role: 'floor' },
  { name: 'gomq', role: 'gomq' },
  { name: 'slow', role: 'peer' },
  { name: 'fast', role: 'peer' },
] as const

function figureOf(system: string, ratePerSec: number, more: Partial<Figure> = {}): Figure {
  return {
    workload: 'publish',
    system,
    durability: 'none',
    messages: 1000,
    messageBytes: 100,
    ratePerSec,
    ratesPerSec: [ratePerSec],
    clientCpuUs: 1,
    serverCpuUs: 2,
    serverRssMiB: 3,
    serverRssGrowthMiB: 0,
    lost: 0,
    duplicated: 0,
    ...more,
  }
}

function comparisonOf(by: Comparison['by'], figures: readonly Figure[], gaps: Comparison['gaps'] = []): Comparison {
  return { workload: 'publish', about: 'it publishes', by, messageBytes: 100, figures, gaps }
}

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

test('columns that say nothing are left out, and losses are shown only where there are some', () => {
  expect(markdownTable([{ a: '1', b: '' }])).toBe('| a |\n|--:|\n| 1 |')
  const exact = comparisonTable(comparisonOf('rate', [figureOf('gomq', 1)]), SYSTEMS)
  const lossy = comparisonTable(comparisonOf('rate', [figureOf('gomq', 1, { lost: 7 })]), SYSTEMS)
  expect(exact).not.toContain('lost')
  expect(columnOf(lossy, 'lost')).toEqual({ gomq: '7' })
})

test('of several runs the one in the middle is shown, with all rates and the most that was lost', () => {
  const runs = [figureOf('gomq', 30, { lost: 1 }), figureOf('gomq', 10), figureOf('gomq', 20, { serverCpuUs: 9 })]
  const middle = middleOf(runs, 'rate')
  expect(middle).toMatchObject({ ratePerSec: 20, ratesPerSec: [30, 10, 20], lost: 1, serverCpuUs: 9 })
})

test('systems take turns; one that fails is left out with its reason, and the others go on', async () => {
  const order: string[] = []
  const workload: Workload = {
    name: 'publish',
    about: 'it publishes',
    by: 'rate',
    cannot: ({ name }) => (name === 'floor' ? 'it is a floor' : undefined),
    run: async ({ name }) => {
      order.push(name)
      if (name === 'slow') throw new Error('too slow\n  by far')
      return [figureOf(name, order.length)]
    },
  }
  const missing = new Map([['fast', 'not installed']])
  const systems = SYSTEMS as unknown as System[]
  const context = { messageBytes: 100 } as WorkloadContext
  const { figures, gaps } = await compare(
    workload,
    [...systems, { name: 'other' } as System],
    missing,
    2,
    () => context,
  )
  expect(order).toEqual(['gomq', 'slow', 'other', 'gomq', 'other'])
  expect(figures.map(({ system, ratesPerSec }) => [system, ratesPerSec])).toEqual([
    ['gomq', [1, 4]],
    ['other', [3, 5]],
  ])
  expect(gaps.map(({ system, reason }) => [system, reason])).toEqual([
    ['floor', 'it is a floor'],
    ['fast', 'not installed'],
    ['slow', 'failed: too slow; by far'],
  ])
})

test('the page of a run shows each picture that it writes, and no other', () => {
  const latency = summarize([1, 2, 3])
  const files = renderPage(
    {
      machine: { commit: 'c0ffee', node: 'v20', cpu: 'cpu', cores: 2, memoryGiB: 4, fdatasyncUs: 250 },
      options: { runs: 3, messages: 1000, pacedSec: 1 },
      systems: SYSTEMS.map((system) => ({ ...system, durability: 'none', setup: 'as it comes', version: '1' })),
      comparisons: [
        comparisonOf('rate', [figureOf('gomq', 5), figureOf('fast', 2)]),
        comparisonOf('p99', [figureOf('gomq', 5, { workload: 'latency 1000/s', latency })]),
      ],
      tables: {},
    },
    ['--report'],
  )
  const page = files.get('index.md')!
  const shown = [...page.matchAll(/\]\(([\w-]+\.\w+)\)/g)].map((match) => match[1])
  expect(new Set(shown)).toEqual(new Set([...files.keys()].filter((name) => name !== 'index.md')))
  expect(shown).toContain('latency-1000-s-100.svg')
  expect(page).toContain('4,000 a second')
  expect(JSON.parse(files.get('results.json')!).machine.commit).toBe('c0ffee')
})
