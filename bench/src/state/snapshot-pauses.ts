import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '@gomq/client'
import { BrokerRun } from './broker-run.js'
import { fillRetained, PATIENT } from './fill.js'
import { IdleLoop } from './idle-loop.js'
import type { Row, StateContext } from './state-context.js'
import { waitedMs } from './waited.js'

/** Messages of 1 KiB a second while the pauses are measured. */
const LOAD_PER_SEC = 2_000
/** Milliseconds between two portions of the load. */
const PORTION_MS = 10
/** Seconds without a snapshot, to compare with. */
const QUIET_SEC = 10
/** Log after which a snapshot begins: at this load the next begins when one is written. */
const INTERVAL = '1MiB'
/** Snapshots that are watched. */
const SNAPSHOTS = 5
const WRITTEN = 'a snapshot of the state was written'

/**
 * Pauses of the broker's event loop under a moderate load: without a snapshot, while a snapshot of many entries is written, and while a new
 * subscriber gets as many retained messages. Beside them those of an idle loop at the same time, which are the machine's, and how long the broker
 * was ready to run and others ran in its place.
 */
export async function snapshotPauses(context: StateContext): Promise<Row[]> {
  const directory = context.dataDirectory ?? mkdtempSync(join(context.workDirectory, 'pauses-'))
  try {
    if (!context.isMade) await make(directory, context)
    return [await quiet(directory), await whileWriting(directory), await whileSubscribing(directory, context)]
  } finally {
    if (context.dataDirectory === undefined) rmSync(directory, { recursive: true, force: true })
  }
}

async function make(directory: string, context: StateContext): Promise<void> {
  const broker = await BrokerRun.start(directory)
  await fillRetained(broker.address, context.entries, (share) => context.onProgress('retained', share))
  await broker.stop()
}

async function quiet(directory: string): Promise<Row> {
  return underLoad('no snapshot', directory, '64GiB', () => sleep(1000 * QUIET_SEC))
}

async function whileWriting(directory: string): Promise<Row> {
  return underLoad('snapshots are written', directory, INTERVAL, (broker) => broker.logged(WRITTEN, 1 + SNAPSHOTS))
}

async function whileSubscribing(directory: string, context: StateContext): Promise<Row> {
  return underLoad('a subscriber to # gets all retained', directory, '64GiB', async (broker) => {
    await using mq = await connect(`gomq://${broker.address}`, PATIENT)
    const retained = await mq.subscribe(['site/#'])
    let count = 0
    for await (const message of retained) {
      if (message.isRetained && ++count === context.entries) break
    }
  })
}

async function underLoad(
  what: string,
  directory: string,
  interval: string,
  work: (broker: BrokerRun) => Promise<unknown>,
): Promise<Row> {
  const idle = IdleLoop.start()
  const broker = await BrokerRun.start(directory, { probe: true, args: ['--snapshot-interval-bytes', interval] })
  try {
    const load = new AbortController()
    const loading = publishSteadily(broker.address, load.signal)
    // The compiler has seen the code by then, that of a snapshot too.
    await (interval === INTERVAL ? broker.logged(WRITTEN) : sleep(2000))
    await idle.watch()
    await broker.ask('watch')
    const waitedBeforeMs = waitedMs(broker.pid)
    const startedMs = performance.now()
    await work(broker)
    const seconds = (performance.now() - startedMs) / 1000
    const pauses = await broker.ask('watched')
    const waitedSec = (waitedMs(broker.pid) - waitedBeforeMs) / 1000
    const machine = await idle.watched()
    load.abort()
    await loading
    const round = (ms: number) => Math.round(10 * ms) / 10
    return {
      while: what,
      s: round(seconds),
      'p50 ms': round(pauses.p50Ms),
      'p99 ms': round(pauses.p99Ms),
      'p99.9 ms': round(pauses.p999Ms),
      'max ms': round(pauses.maxMs),
      'own max ms': round(pauses.ownMaxMs),
      'idle p99 ms': round(machine.p99Ms),
      'idle max ms': round(machine.maxMs),
      'waited s': round(waitedSec),
      'gc count': pauses.gcCount,
      'gc max ms': round(pauses.gcMaxMs),
      'gc by kind': Object.entries(pauses.gcMaxMsByKind)
        .map(([kind, ms]) => `${kind}: ${round(ms)}`)
        .join(', '),
      'entries at start': broker.recovery.snapshotEntries,
      'snapshot read ms': broker.recovery.snapshotMs,
    }
  } finally {
    idle.end()
    await broker.stop()
  }
}

async function publishSteadily(address: string, signal: AbortSignal): Promise<void> {
  await using mq = await connect(`gomq://${address}`, PATIENT)
  const value = new Uint8Array(1024).fill(120)
  let last: Promise<unknown> = Promise.resolve()
  while (!signal.aborted) {
    for (let i = 0; i < (LOAD_PER_SEC * PORTION_MS) / 1000; i++) last = mq.publish(`load/${i}`, value)
    last.catch(() => undefined)
    await sleep(PORTION_MS)
  }
  await last
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
