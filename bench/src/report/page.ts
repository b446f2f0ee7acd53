import { type Comparison, comparedOf } from '../compare.js'
import type { Figure } from '../figure.js'
import { barChart } from './bars.js'
import { distributionChart } from './distribution.js'
import { PROFILE_ABOUT, profileTable } from './profile-table.js'
import type { Results } from './results.js'
import { SUMMARY_ABOUT, summaryTable } from './summary.js'
import { colourAt } from './svg.js'
import { comparisonTable, grouped, markdownTable } from './table.js'

/**
 * The page of a run, its pictures and its figures: file names and texts, for a folder of their own.
 * @param args  of the run, so that a reader can repeat it
 */
export function renderPage(results: Results, args: readonly string[]): Map<string, string> {
  const files = new Map<string, string>([['results.json', `${JSON.stringify(results, null, 2)}\n`]])
  const { machine, options, systems } = results
  const page = [
    '# Benchmarks',
    `GoMQ beside brokers that Node can drive, and beside the floor: an opaque relay in Node that appends, syncs in groups and forwards, and knows nothing else. Clients, brokers and harness share one machine, so that figures of two runs do not compare; the ratios within one do. [How it is measured, and why that is fair](../../bench/README.md).`,
    `This page is written by the harness: \`npm run bench -- ${args.join(' ')}\`. All figures, with the rate of each run: [results.json](results.json).`,
    `Commit ${machine.commit}, Node ${machine.node}, ${machine.cores} x ${machine.cpu}, ${machine.memoryGiB} GiB. One append of 300 bytes with fdatasync takes ${grouped(machine.fdatasyncUs)} us (median), ${grouped(1e6 / machine.fdatasyncUs)} a second one after the other. ${options.runs === 1 ? 'One run' : `${options.runs} runs of each, in turn; shown is the one in the middle`}.`,
    '## In short',
    SUMMARY_ABOUT,
    summaryTable(results.comparisons, systems),
    'Why some of this is no more, with the profiles that show it: [what bounds the speed](../internals/speed.md).',
    '## Systems',
    markdownTable(
      systems.map(({ name, version, durability, setup, missing }) => ({
        system: `\`${name}\``,
        version: missing === undefined ? version : `not measured: ${missing}`,
        'an ack means': durability,
        'set up': setup,
      })),
    ),
  ]
  for (const comparison of results.comparisons) {
    page.push(`## ${titleOf(comparison)}`, `${comparison.about}.`)
    for (const [name, title, picture] of picturesOf(comparison, results)) {
      files.set(name, picture)
      page.push(`![${title}](${name})`)
    }
    page.push(comparisonTable(comparison, systems).trimEnd())
    if (comparison.profiles.length > 0) page.push(PROFILE_ABOUT, profileTable(comparison.profiles))
  }
  files.set('index.md', `${page.join('\n\n')}\n`)
  return files
}

function titleOf({ workload, messageBytes }: Comparison): string {
  return messageBytes === 0 ? workload : `${workload}, ${grouped(messageBytes)} bytes`
}

/** What of the messages did not come, in percent. */
function lossOf({ lost, messages }: Figure): string {
  return lost === 0 ? '' : `, ${Math.ceil((100 * lost) / messages)} % lost`
}

/** A picture for each case of a workload: bars, or the distribution where time is compared. */
function picturesOf(comparison: Comparison, results: Results): [name: string, title: string, picture: string][] {
  const { by, messageBytes } = comparison
  const { machine, options, systems } = results
  const cases = [...new Set(comparison.figures.map(({ workload }) => workload))]
  const runs = options.runs === 1 ? 'one run' : `the middle one of ${options.runs} runs`
  const foot = `${machine.cores} x ${machine.cpu}, ${machine.memoryGiB} GiB, Node ${machine.node}, commit ${machine.commit}; clients on the same machine; ${runs}`
  const looksOf = ({ system, durability }: Figure) => ({
    label: system,
    note: durability,
    colour: colourAt(systems.findIndex(({ name }) => name === system)),
  })
  return cases.map((name) => {
    const figures = comparison.figures.filter(({ workload }) => workload === name)
    const file = `${name.replaceAll(/[^a-z0-9]+/gi, '-')}-${messageBytes}.svg`
    if (by === 'p99') {
      const title = `${name}, ${grouped(messageBytes)} bytes: latency by percentile`
      const lines = figures.map((figure) => {
        const { curve, count } = figure.latency!
        return { ...looksOf(figure), points: curve, samples: count }
      })
      return [file, title, distributionChart(title, foot, lines)]
    }
    const title =
      by === 'rate' ? `${name}, ${grouped(messageBytes)} bytes: messages a second` : `${name}: resident memory`
    const axis = by === 'rate' ? 'messages a second (linear); more is better' : 'MiB (linear); less is better'
    const bars = figures.map((figure) => {
      const value = comparedOf(figure, by)
      return { ...looksOf(figure), value, text: `${grouped(value)}${lossOf(figure)}` }
    })
    return [file, title, barChart({ title, axis, foot }, bars)]
  })
}
