import { crc32 } from '@gomq/protocol/node'
import { parseCommandLine, type RunOptions } from './command-line.js'
import { settle } from './node/settle.js'
import { CLUSTER_PLANTS } from './plant.js'
import { hunt } from './plant-hunt.js'
import { type SimulationResult, simulate } from './simulation.js'
import { Tally } from './tally.js'

const commandLine = parseCommandLine(process.argv.slice(2))
if (commandLine.kind === 'print') {
  const output = commandLine.exitCode === 0 ? process.stdout : process.stderr
  output.write(commandLine.text)
  process.exitCode = commandLine.exitCode
} else if (commandLine.options.printsPlants) await printPlants(commandLine.options)
else await runSeeds(commandLine.options)

async function runSeeds({
  seed: first,
  count,
  steps,
  brokers,
  plant,
  isGoverned,
  faults,
  isTraced,
}: RunOptions): Promise<void> {
  const totals = new Tally()
  const struck = new Tally()
  let failures = 0
  for (let seed = first; seed < first + count; seed++) {
    const traceLinesMax = isTraced ? Number.MAX_SAFE_INTEGER : 60
    const result = await simulate({
      seed,
      steps,
      brokers,
      crc32,
      plant,
      settle,
      isGoverned,
      faults,
      traceLinesMax,
    })
    for (const [name, value] of Object.entries(result.counts)) totals.add(name, value)
    for (const [name, value] of Object.entries(result.faults)) struck.add(name, value)
    if (isTraced) process.stdout.write(`${result.trace.join('\n')}\n`)
    if (result.violations.length > 0) {
      failures++
      printFailure(result, isTraced)
    }
    if (process.stderr.isTTY) process.stderr.write(`\r${progress(seed - first + 1, count, failures)} `)
  }
  if (process.stderr.isTTY) process.stderr.write('\n')
  process.stdout.write(
    `${count} seeds, ${failures} failed, ${count * steps} program steps ${JSON.stringify(totals.counts)}\n`,
  )
  process.stdout.write(`faults ${JSON.stringify(struck.counts)}\n`)
  process.exitCode = failures > 0 ? 1 : 0
}

/** A table in Markdown: for each bug of a cluster the first seed that catches it. */
async function printPlants({ seed: first, count, steps, brokers }: RunOptions): Promise<void> {
  process.stdout.write('| Planted bug | Seed | Step | Events | What broke |\n|---|---|---|---|---|\n')
  for (const name of CLUSTER_PLANTS) {
    const found = await hunt(name, count, { seed: first, steps, brokers: Math.max(3, brokers), crc32, settle })
    const cells =
      found === undefined
        ? [`not in ${count} seeds`, '', '', '']
        : [found.seed, found.caught.step, found.caught.events, found.caught.invariant]
    process.stdout.write(`| ${[`\`${name}\``, ...cells].join(' | ')} |\n`)
    if (found === undefined) process.exitCode = 1
  }
}

function printFailure({ seed, violations, trace }: SimulationResult, isTraced: boolean): void {
  process.stdout.write(`seed ${seed} failed\n`)
  for (const broken of new Set(violations.map(({ invariant }) => invariant))) {
    const details = violations.filter(({ invariant }) => invariant === broken).map(({ detail }) => detail)
    for (const detail of details.slice(0, 3)) process.stdout.write(`  ${broken}: ${detail}\n`)
    if (details.length > 3) process.stdout.write(`  ${broken}: and ${details.length - 3} times more\n`)
  }
  if (!isTraced) process.stdout.write(`${trace.slice(-40).join('\n')}\n`)
}

function progress(done: number, of: number, failures: number): string {
  const filled = Math.round((30 * done) / of)
  return `[${'#'.repeat(filled)}${'.'.repeat(30 - filled)}] ${done}/${of} seeds, ${failures} failed`
}
