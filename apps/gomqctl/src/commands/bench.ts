import { GomqError } from '@gomq/client'
import { BenchClients } from '../bench/bench-clients.js'
import type { BenchFlags, BenchKind } from '../bench/bench-flags.js'
import { BenchMonitor } from '../bench/bench-monitor.js'
import type { LoadPlan } from '../bench/bench-plan.js'
import {
  type BenchReport,
  type ConsumerReport,
  loadReport,
  type ReportContext,
  readReport,
} from '../bench/bench-report.js'
import { reportLines, reportTables } from '../bench/bench-text.js'
import { RefusedOutOfTurn } from '../bench/load.js'
import { planOf, runName } from '../bench/plan-of.js'
import { type BenchContext, type LoadOutcome, runLoad, SUBSCRIPTION_NAME } from '../bench/run-load.js'
import { runRead } from '../bench/run-read.js'
import { askBroker } from '../broker-http.js'
import { Exit, ExitCode } from '../exit.js'
import { Interruption } from '../interruption.js'
import { Notes } from '../notes.js'
import type { GlobalOptions } from '../options.js'
import { Output } from '../output.js'
import { Progress } from '../progress.js'
import { isCluster } from './cluster.js'

/** Options of every command as a bench needs them. */
export interface BenchGlobals extends GlobalOptions {
  readonly gomqctlVersion: string
}

/**
 * Measures what a broker does on this machine with these settings, and prints it: tables on a terminal, tab-separated fields when piped, or JSON.
 * @throws GomqError  why it ended early, after what was measured so far is printed
 * @throws Exit       65: a message is missing or came twice; 130: Ctrl-C
 */
export async function bench(kind: BenchKind, flags: BenchFlags, globals: BenchGlobals): Promise<void> {
  const plan = planOf(kind, flags, globals)
  const notes = new Notes(process.stderr, globals.quiet)
  const now = () => performance.now()
  using interruption = new Interruption(process)
  using _ = new RefusedOutOfTurn(process)
  await using clients = new BenchClients(globals, notes)
  const context: BenchContext = {
    ...{ clients, interruption, now },
    clientIdPrefix: globals.clientId ?? `bench-${plan.kind === 'sub' ? '' : runName(plan.run)}`,
    watch: (look) => new BenchMonitor(look, new Progress(process.stderr), process.stderr, flags.interval, now),
  }
  const reportContext = (brokersInSync: number | null = null): ReportContext => ({
    gomqctlVersion: globals.gomqctlVersion,
    nodeVersion: process.version,
    reconnects: clients.reconnects,
    compression: globals.compression ?? 'none',
    brokersInSync,
  })
  if (plan.kind === 'sub') {
    const outcome = await runRead(plan, context)
    await print(readReport(plan, outcome, reportContext()), globals)
    if (outcome.failure !== undefined) throw outcome.failure
  } else {
    const outcome = await runLoad(plan, context)
    const report = loadReport(plan, outcome, reportContext(await brokersInSync(outcome, globals)))
    await print(report, globals)
    remarks(plan, outcome, globals, notes)
    if (outcome.failure !== undefined) throw outcome.failure
    if (!outcome.isInterrupted) checkDeliveries(plan, report, notes)
  }
  if (interruption.exitCode !== undefined) throw new Exit(interruption.exitCode)
}

async function print(report: BenchReport, { json }: GlobalOptions): Promise<void> {
  const output = new Output(process.stdout)
  const text = json ? JSON.stringify(report) : process.stdout.isTTY ? reportTables(report) : reportLines(report)
  await output.write(Buffer.from(`${text}\n`))
  await output.flush()
}

/** How many brokers have what is acknowledged, from the broker's HTTP; null if that cannot be told. */
async function brokersInSync(outcome: LoadOutcome, { http }: GlobalOptions): Promise<number | null> {
  if (!outcome.producers.some(({ durabilities }) => durabilities.has('replicated'))) return null
  try {
    const answer = await askBroker(http, '/v1/cluster')
    // Another cluster may answer at the default address.
    if (!isCluster(answer) || answer.leaderId !== outcome.broker?.id) return null
    return answer.brokers.filter(({ isInSync }) => isInSync === true).length
  } catch (error) {
    if (error instanceof GomqError) return null
    throw error
  }
}

function remarks(plan: LoadPlan, outcome: LoadOutcome, { topic }: GlobalOptions, notes: Notes): void {
  for (const clientId of outcome.leftSubscriptions)
    notes.warn(
      `the durable subscription '${SUBSCRIPTION_NAME}' of client '${clientId}' could not be removed; it goes by itself within an hour`,
    )
  if (topic.length === 0 && plan.qos > 0)
    notes.hint("what it published stays in the broker's log; gomqctl policy set 'bench/#' --max-age 1h lets it go")
}

/** @throws Exit  65: not every message came exactly once. QoS 0 promises only that none comes twice */
function checkDeliveries({ qos }: LoadPlan, report: BenchReport, notes: Notes): void {
  const consumers = (report.received?.consumers ?? []) as readonly ConsumerReport[]
  const missing = consumers.reduce((sum, each) => sum + (each.missing ?? 0), 0)
  const doubled = consumers.reduce((sum, each) => sum + each.doubled, 0)
  if ((qos === 0 || missing === 0) && doubled === 0) return
  notes.warn(`not every message came exactly once: ${missing} missing, ${doubled} doubled`)
  throw new Exit(ExitCode.DATA)
}
