import { bestOf, type Comparison } from '../compare.js'
import type { Figure } from '../figure.js'
import type { System } from '../systems/system.js'
import { grouped, markdownTable } from './table.js'

/** The system that the summary is about. */
const SUBJECT = 'gomq'

/** What a reader of {@link summaryTable} needs to know. */
export const SUMMARY_ABOUT =
  'GoMQ alone, with its defaults, beside the floor, beside the best of the peers that sync before they acknowledge as it does, and beside the best of all. Of rates more is better, of latencies (p50 / p99) less.'

/** A row for each case that was measured of GoMQ: its figure, and the ratios to it. */
export function summaryTable(
  comparisons: readonly Comparison[],
  systems: readonly Pick<System, 'name' | 'role'>[],
): string {
  const roleOf = ({ system }: Figure) => systems.find(({ name }) => name === system)?.role
  const rows = comparisons
    .filter(({ by }) => by !== 'memory')
    .flatMap(({ by, figures, messageBytes }) =>
      figures
        .filter(({ system }) => system === SUBJECT)
        .map((figure) => {
          const beside = figures.filter(({ workload, system }) => workload === figure.workload && system !== SUBJECT)
          const peers = beside.filter((each) => roleOf(each) === 'peer')
          const ratioTo = (others: readonly Figure[]) => {
            const best = bestOf(others, by)
            return best === undefined ? '-' : `${ratios(figure, best, by)} ${best.system}`
          }
          return {
            case: `${figure.workload}, ${grouped(messageBytes)} bytes`,
            gomq: shownOf(figure, by),
            'of the floor': ratioTo(beside.filter((each) => roleOf(each) === 'floor')).replace(/ floor$/, ''),
            'of the best peer that syncs': ratioTo(peers.filter(({ durability }) => !durability.startsWith('none'))),
            'of the best peer': ratioTo(peers),
          }
        }),
    )
  return markdownTable(rows)
}

function shownOf({ ratePerSec, latency }: Figure, by: Comparison['by']): string {
  if (by === 'rate') return `${grouped(ratePerSec)} msg/s`
  return `${grouped(latency?.p50Us ?? 0)} / ${grouped(latency?.p99Us ?? 0)} us`
}

function ratios(figure: Figure, other: Figure, by: Comparison['by']): string {
  if (by === 'rate') return ratio(figure.ratePerSec, other.ratePerSec)
  const of = (each: Figure) => each.latency ?? { p50Us: Number.NaN, p99Us: Number.NaN }
  return `${ratio(of(figure).p50Us, of(other).p50Us)} / ${ratio(of(figure).p99Us, of(other).p99Us)}`
}

function ratio(value: number, other: number): string {
  return (value / other).toLocaleString('en-US', { maximumSignificantDigits: 2 })
}
