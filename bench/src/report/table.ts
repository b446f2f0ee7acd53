import { bestOf, type Comparison, comparedOf } from '../compare.js'
import type { Figure } from '../figure.js'
import { median } from '../statistics.js'
import type { System } from '../systems/system.js'

/** Cells by the title of their column. */
type Cells = Readonly<Record<string, string>>

/** A comparison as a table in Markdown, which is legible on a terminal as it is; below it the systems that are not in it. */
export function comparisonTable(comparison: Comparison, systems: readonly Pick<System, 'name' | 'role'>[]): string {
  const cases = [...new Set(comparison.figures.map(({ workload: name }) => name))]
  const rows = cases.flatMap((name) =>
    rowsOf(
      comparison.figures.filter((figure) => figure.workload === name),
      comparison.by,
      systems,
    ),
  )
  const reasons = [...new Set(comparison.gaps.map(({ reason }) => reason))]
  const notes = reasons.map((reason) => {
    const names = comparison.gaps.filter((gap) => gap.reason === reason).map(({ system }) => `\`${system}\``)
    return `- ${names.join(', ')}: ${reason}`
  })
  const shown = comparison.by === 'memory' ? 'idle MiB' : 'msg/s'
  const gapRows = comparison.gaps.map(({ system }) => ({ case: comparison.workload, system, acks: '-', [shown]: '-' }))
  return [markdownTable([...rows, ...gapRows]), ...(notes.length > 0 ? ['', ...notes] : []), ''].join('\n')
}

/** Rows with the same columns, as far as one of them has something to say, aligned. */
export function markdownTable(rows: readonly Cells[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((column) =>
    rows.some((row) => (row[column] ?? '') !== ''),
  )
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => (row[column] ?? '').length)))
  const isNumber = columns.map((column) => rows.every((row) => /^[-\d.,]*$/.test(row[column] ?? '')))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join(' | ')} |`
  const rule = `|${widths.map((width, i) => `${'-'.repeat(width + 1)}${isNumber[i] ? ':' : '-'}`).join('|')}|`
  return [line(columns), rule, ...rows.map((row) => line(columns.map((column) => row[column] ?? '')))].join('\n')
}

/** A ratio to the best of some figures: of rates the highest, of latencies the lowest. Empty where there is nothing to compare with. */
export function ratioTo(figure: Figure, others: readonly Figure[], by: Comparison['by']): string {
  const best = bestOf(others, by)
  if (best === undefined) return ''
  const ratio = comparedOf(figure, by) / comparedOf(best, by)
  return Number.isFinite(ratio) ? ratio.toLocaleString('en-US', { maximumSignificantDigits: 3 }) : ''
}

function rowsOf(
  figures: readonly Figure[],
  by: Comparison['by'],
  systems: readonly Pick<System, 'name' | 'role'>[],
): Cells[] {
  const systemOf = (figure: Figure) => systems.find(({ name }) => name === figure.system)!
  const ofRole = (role: System['role']) => figures.filter((figure) => systemOf(figure).role === role)
  const hasLoss = figures.some(({ lost, duplicated }) => lost + duplicated > 0)
  return figures.map((figure) => ({
    case: figure.workload,
    system: figure.system,
    acks: figure.durability,
    ...(figure.idle === undefined ? workCells(figure, by) : idleCells(figure.idle)),
    [`${by} / floor`]: ratioTo(figure, ofRole('floor'), by),
    [`${by} / best peer`]: ratioTo(figure, ofRole('peer'), by),
    ...latencyCells(figure),
    ...(figure.idle === undefined && costCells(figure)),
    ...(hasLoss && { lost: grouped(figure.lost), twice: grouped(figure.duplicated) }),
    ...(figure.storedShare !== undefined && { 'stored %': `${Math.round(100 * figure.storedShare)}` }),
  }))
}

function workCells({ messages, messageBytes, ratePerSec, ratesPerSec }: Figure, by: Comparison['by']): Cells {
  return {
    messages: grouped(messages),
    'msg/s': grouped(ratePerSec),
    ...(by === 'rate' && { 'MB/s': ((ratePerSec * messageBytes) / 1e6).toFixed(1), 'runs +-%': spreadOf(ratesPerSec) }),
  }
}

/** How far the runs lie from the one in the middle, in percent of it; empty for one run. */
function spreadOf(rates: readonly number[]): string {
  if (rates.length < 2) return ''
  const middle = median(rates)
  return grouped((100 * Math.max(...rates.map((rate) => Math.abs(rate - middle)))) / middle)
}

function idleCells({ rssMiB, cpuPercent }: NonNullable<Figure['idle']>): Cells {
  return { 'idle MiB': grouped(rssMiB), 'idle CPU %': cpuPercent.toFixed(1) }
}

function costCells(figure: Figure): Cells {
  return {
    'client us/msg': figure.clientCpuUs === 0 ? '' : costOf(figure.clientCpuUs),
    'broker us/msg': costOf(figure.serverCpuUs),
    'broker MiB': grouped(figure.serverRssMiB),
    'growth MiB': grouped(figure.serverRssGrowthMiB),
  }
}

function costOf(us: number): string {
  return us < 10 ? us.toFixed(2) : grouped(us)
}

function latencyCells({ latency, ackLatency }: Figure): Cells {
  if (latency === undefined) return {}
  const { p50Us, p99Us, p999Us, p9999Us } = latency
  return {
    'p50 us': grouped(p50Us),
    'p99 us': grouped(p99Us),
    'p99.9 us': p999Us === undefined ? '' : grouped(p999Us),
    'p99.99 us': p9999Us === undefined ? '' : grouped(p9999Us),
    ...(ackLatency && { 'ack p50 us': grouped(ackLatency.p50Us), 'ack p99 us': grouped(ackLatency.p99Us) }),
  }
}

/** With commas between thousands. */
export function grouped(value: number): string {
  // What rounds to zero from below has no sign.
  return (Math.round(value) || 0).toLocaleString('en-US')
}
