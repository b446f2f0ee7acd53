import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { median } from '../statistics.js'
import { BrokerRun } from './broker-run.js'
import { fillLog, fillState } from './fill.js'
import type { Row, StateContext } from './state-context.js'

/** Starts of each kind. */
const STARTS = 7
/** Log written after the last snapshot before a kill: nearly the interval of 256 MiB, the most that a start replays. */
const TAIL_BYTES: number = 240 * 1024 * 1024

/** Starts of a broker with a long log and much state: after an orderly stop and after `kill -9`, with and without the page cache. */
export async function restart(context: StateContext): Promise<Row[]> {
  const directory = context.dataDirectory ?? mkdtempSync(join(context.workDirectory, 'restart-'))
  try {
    if (!context.isMade) await make(directory, context)
    const rows: Row[] = []
    rows.push(row('orderly stop, warm', await starts(directory, 'stop', false)))
    if (canDropCaches()) rows.push(row('orderly stop, cold', await starts(directory, 'stop', true)))
    await growTail(directory, context)
    rows.push(row('kill -9, warm', await starts(directory, 'kill', false)))
    if (canDropCaches()) rows.push(row('kill -9, cold', await starts(directory, 'kill', true)))
    return rows
  } finally {
    if (context.dataDirectory === undefined) rmSync(directory, { recursive: true, force: true })
  }
}

async function make(directory: string, context: StateContext): Promise<void> {
  const broker = await BrokerRun.start(directory)
  await fillState(broker.address, context.entries, (share) => context.onProgress('state', share))
  await fillLog(broker.address, context.logBytes, (share) => context.onProgress('log', share))
  await broker.stop()
}

/** Writes what a crash leaves behind the last snapshot, and crashes. */
async function growTail(directory: string, context: StateContext): Promise<void> {
  const broker = await BrokerRun.start(directory)
  await fillLog(broker.address, TAIL_BYTES, (share) => context.onProgress('tail', share))
  await broker.kill()
}

async function starts(directory: string, end: 'stop' | 'kill', isCold: boolean): Promise<BrokerRun[]> {
  const runs: BrokerRun[] = []
  for (let i = 0; i < STARTS; i++) {
    if (isCold) dropCaches()
    const run = await BrokerRun.start(directory)
    await run[end]()
    runs.push(run)
  }
  return runs
}

function row(what: string, runs: readonly BrokerRun[]): Row {
  const middle = (of: (run: BrokerRun) => number) => Math.round(median(runs.map(of)))
  return {
    after: what,
    'ready ms': middle((run) => run.readyMs),
    'best ms': Math.round(Math.min(...runs.map((run) => run.readyMs))),
    'load ms': middle((run) => run.loadMs),
    'segments ms': middle((run) => run.recovery.segmentsMs),
    'active ms': middle((run) => run.recovery.activeMs),
    'snapshot ms': middle((run) => run.recovery.snapshotMs),
    'replay ms': middle((run) => run.recovery.replayMs),
    'rest ms': middle(
      ({ readyMs, loadMs, recovery: { segmentsMs, activeMs, snapshotMs, replayMs } }) =>
        readyMs - loadMs - segmentsMs - activeMs - snapshotMs - replayMs,
    ),
    entries: middle((run) => run.recovery.snapshotEntries),
    'replayed MiB': middle((run) => run.recovery.replayedBytes / 2 ** 20),
  }
}

function canDropCaches(): boolean {
  return process.getuid?.() === 0 && process.platform === 'linux'
}

function dropCaches(): void {
  execFileSync('sync')
  writeFileSync('/proc/sys/vm/drop_caches', '3')
}
