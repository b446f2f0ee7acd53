import type { Comparison } from '../compare.js'
import type { Figure } from '../figure.js'
import { barChart } from './bars.js'
import { distributionChart } from './distribution.js'
import type { Results } from './results.js'
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
  }
  files.set('index.md', `${page.join('\n\n')}\n`)
  return files
}

function titleOf({ workload, messageBytes }: Comparison): string {
  return `${workload}, ${grouped(messageBytes)} bytes`
}

/** A picture for each case of a workload: bars of rates, or the distribution where time is compared. */
function picturesOf(comparison: Comparison, { systems }: Results): [name: string, title: string, picture: string][] {
  const cases = [...new Set(comparison.figures.map(({ workload }) => workload))]
  const colourOf = (figure: Figure) => colourAt(systems.findIndex(({ name }) => name === figure.system))
  return cases.map((name) => {
    const figures = comparison.figures.filter(({ workload }) => workload === name)
    const file = `${name.replaceAll(/[^a-z0-9]+/gi, '-')}-${comparison.messageBytes}.svg`
    if (comparison.by === 'p99') {
      const title = `${name}, ${grouped(comparison.messageBytes)} bytes: latency by percentile`
      const lines = figures.map((figure) => ({
        label: figure.system,
        colour: colourOf(figure),
        points: figure.latency!.curve,
      }))
      return [file, title, distributionChart(title, lines)]
    }
    const title = `${name}, ${grouped(comparison.messageBytes)} bytes: messages a second`
    const bars = figures.map((figure) => ({
      label: figure.system,
      value: figure.ratePerSec,
      text: grouped(figure.ratePerSec),
      colour: colourOf(figure),
    }))
    return [file, title, barChart(title, bars)]
  })
}
