import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Comparison, compare, profile } from './compare.js'
import { describeMachine } from './machine.js'
import { type Options, parseOptions, repeatable } from './options.js'
import { renderPage } from './report/page.js'
import { profileTable } from './report/profile-table.js'
import { clearProgress, showProgress } from './report/progress.js'
import { type Results, toResults } from './report/results.js'
import { comparisonTable, grouped } from './report/table.js'
import type { Row } from './state/state-context.js'
import { STATE_WORKLOADS } from './state/state-workloads.js'
import { PEER_NAMES, systemsFor } from './systems/all.js'
import type { System } from './systems/system.js'
import { COMPRESSIBLE, WORKLOADS } from './workloads/all.js'

const HELP = `Usage: npm run bench -- [options]

Measures GoMQ with its defaults (fdatasync before every ack) beside the floor, an opaque relay, and beside peers, in one run.

  --workloads a,b      of: ${WORKLOADS.map(({ name }) => name).join(', ')}   (default: all)
  --peers a,b          of: ${PEER_NAMES.join(', ')}, or what these begin with; none   (default: all)
  --runs n             runs of each, in turn; the one in the middle is shown   (default: 3)
  --messages n         messages of one measurement at most          (default: 2000000)
  --message-bytes a,b  bytes of one message; the first alone in most workloads and with peers   (default: 100,1024)
  --seconds n          for which a fixed rate is kept, and others last at most   (default: 3)
  --compression how    none or deflate, of JSON messages and of GoMQ alone: publish, end-to-end, catch-up
  --time-limit sec     for one measurement                          (default: 60)
  --json file          write the results there as well
  --report             write docs/benchmarks
  --profile            show where the time goes: another run of GoMQ and the floor, profiled
  --no-install         leave out peers that are not installed; otherwise root gets them from Debian

Workloads about what the broker keeps, which run only when they are named: ${Object.keys(STATE_WORKLOADS).join(', ')}

  --log-bytes n        bytes of the log                             (default: 10737418240)
  --entries n          entries of the state                         (default: 100000)
  --data-dir path      keep the data there, for --made
  --made               --data-dir was filled by an earlier run
`

// What was started ends with this process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))

const options = orUsage(() => parseOptions(process.argv.slice(2)))
if (options.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const names = options.workloads ?? (options.compression ? COMPRESSIBLE : WORKLOADS.map(({ name }) => name))
const known = [...WORKLOADS.map(({ name }) => name), ...Object.keys(STATE_WORKLOADS)]
const unknown = names.find((name) => !known.includes(name))
if (unknown !== undefined) failUsage(`there is no workload '${unknown}'; one of: ${known.join(', ')}`)

const workDirectory = fileURLToPath(new URL(`../results/${process.pid}`, import.meta.url))
mkdirSync(workDirectory, { recursive: true })
process.once('exit', () => rmSync(workDirectory, { recursive: true, force: true }))

const machine = describeMachine(workDirectory)
process.stdout.write(
  `commit ${machine.commit}, Node ${machine.node}, ${machine.cores} x ${machine.cpu}, ${machine.memoryGiB} GiB; one 300-byte append with fdatasync: ${machine.fdatasyncUs} us, ${Math.round(1e6 / machine.fdatasyncUs)} a second\n\n`,
)

const tables: Record<string, readonly Row[]> = {}
for (const name of names.filter((each) => each in STATE_WORKLOADS)) tables[name] = await runOnState(name, options)

const chosen = WORKLOADS.filter(({ name }) => names.includes(name))
const systems = chosen.length === 0 ? [] : await systemsFor(options.peers ?? PEER_NAMES).catch(failUsage)
const measured = options.compression ? systems.filter(({ name }) => name === 'gomq') : systems
const missing = new Map<string, string>()
for (const system of measured) {
  showProgress(`looking for ${system.name}`)
  const reason = system.missing(options.mayInstall)
  if (reason !== undefined) missing.set(system.name, reason)
}
const comparisons: Comparison[] = []
for (const workload of chosen) {
  for (const messageBytes of workload.sizes === 'each' ? options.messageBytes : options.messageBytes.slice(0, 1)) {
    const compared =
      messageBytes === options.messageBytes[0] ? measured : measured.filter(({ role }) => role !== 'peer')
    const contextOf = (system: System, run: string, isProfiled = false) => ({
      ...options,
      workDirectory,
      messageBytes,
      isProfiled,
      onProgress: (done: number) =>
        showProgress(`${workload.name}, ${messageBytes} B: ${system.name}, ${run}: ${grouped(done)} messages`),
    })
    const runOf = (system: System, run: number) => contextOf(system, `run ${run + 1} of ${options.runs}`)
    const found = await compare(workload, compared, missing, options.runs, runOf)
    const profiled = options.profile ? compared.filter(({ isNode }) => isNode) : []
    const profiles = await profile(workload, profiled, (system) => contextOf(system, 'profile', true))
    const comparison = { ...found, profiles }
    clearProgress()
    process.stdout.write(`${workload.name}, ${comparison.messageBytes} B: ${workload.about}\n\n`)
    process.stdout.write(`${comparisonTable(comparison, measured)}\n`)
    if (profiles.length > 0) process.stdout.write(`${profileTable(profiles)}\n\n`)
    comparisons.push(comparison)
    // A run takes long: what it has found so far is not lost if it ends early.
    saveResults()
  }
}

const results = saveResults()
if (options.report) {
  const folder = fileURLToPath(new URL('../../docs/benchmarks/', import.meta.url))
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of renderPage(results, repeatable(process.argv.slice(2))))
    writeFileSync(`${folder}${name}`, text)
  process.stderr.write(`bench: wrote ${folder}\n`)
}
const failed = comparisons.flatMap(({ gaps }) => gaps).filter(({ reason }) => reason.startsWith('failed:'))
process.exit(failed.length > 0 ? 1 : 0)

function saveResults(): Results {
  const all = toResults({ machine, options, systems: measured, missing, comparisons, tables })
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(all, null, 2)}\n`)
  return all
}

async function runOnState(name: string, { logBytes, entries, dataDirectory, made }: Options): Promise<Row[]> {
  const rows = await STATE_WORKLOADS[name]!({
    workDirectory,
    logBytes: Number(logBytes),
    entries: Number(entries),
    dataDirectory,
    isMade: made,
    onProgress: (what, share) => showProgress(`${name}: ${what} ${Math.floor(100 * share)} %`),
  })
  clearProgress()
  process.stdout.write(`${name}, log bytes ${logBytes}, entries ${entries}\n`)
  console.table(rows)
  return rows
}

function orUsage<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    return failUsage(error as Error)
  }
}

function failUsage(reason: Error | string): never {
  process.stderr.write(`bench: ${reason instanceof Error ? reason.message : reason}\n`)
  process.exit(64)
}
