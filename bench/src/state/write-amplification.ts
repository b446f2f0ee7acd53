import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { GomqClient } from '@gomq/client'
import { BrokerRun } from './broker-run.js'
import { publishAll } from './fill.js'
import type { Row, StateContext } from './state-context.js'

const MIB: number = 1024 * 1024
/** Bytes of a message's value. */
const VALUE_BYTES = 1024
/** Segments that the log would have without a cleaner: dead data is in all of them. */
const SEGMENTS = 32
/** Messages of one kind in a row. */
const RUN_MESSAGES = 64
/** Milliseconds between two turns of the cleaner. */
const TURN_MS = 500
/** Seconds without a change of the log's files after which the cleaner is at rest: a turn may read for long before it writes. */
const REST_SEC = 20
/** No turn comes in this time. */
const NEVER_MS = 86_400_000

/** Of 20 runs one is kept for ever, 9 are keyed, 10 go by size: by key and by retention 90 % is dead in the end. */
const RUNS = 20
const KEYED_UP_TO = 10
/** Of the messages, as many keys are there. */
const KEYS_SHARE = 0.05
const POLICIES = [
  { filter: 'state/#', isCompacted: true },
  { filter: 'events/#', maxBytes: MIB },
]

/**
 * What the cleaner writes so that the log stays small: publishes `--log-bytes`, nine tenths of which die by key and by retention in all segments, once
 * without a cleaner and once with one beside, which then runs until nothing is left to do.
 */
export async function writeAmplification(context: StateContext): Promise<Row[]> {
  return [await run('no cleaner', NEVER_MS, context), await run('a cleaner beside', TURN_MS, context)]
}

async function run(what: string, turnMs: number, context: StateContext): Promise<Row> {
  const directory = mkdtempSync(join(context.workDirectory, 'amplification-'))
  const segmentBytes = Math.ceil(context.logBytes / SEGMENTS)
  const args = ['--segment-bytes', `${segmentBytes}B`, '--snapshot-interval-bytes', `${segmentBytes}B`]
  const broker = await BrokerRun.start(directory, { args: [...args, '--clean-interval-ms', `${turnMs}`] })
  let isStopped = false
  try {
    for (const policy of POLICIES) await putPolicy(broker, policy)
    const messages = Math.ceil(context.logBytes / VALUE_BYTES)
    const startedMs = performance.now()
    await publish(broker.address, messages, (share) => context.onProgress(what, share))
    const publishedMs = performance.now()
    const restedMs = turnMs === NEVER_MS ? publishedMs : await rest(join(directory, 'log'))
    await broker.stop()
    isStopped = true
    const turns = broker.allLogged('the log was cleaned')
    const removed = sumOf(turns, 'removedBytes')
    const rewritten = sumOf(turns, 'rewrittenBytes')
    const disk = diskBytes(join(directory, 'log'))
    // What was removed is counted less what was written in its place.
    const appended = disk + removed
    const seconds = (ms: number) => Math.round(ms / 100) / 10
    return {
      what,
      'messages/s': Math.round((1000 * messages) / (publishedMs - startedMs)),
      'publish s': seconds(publishedMs - startedMs),
      'rest s': seconds(restedMs - publishedMs),
      'appended MiB': inMiB(appended),
      'rewritten MiB': inMiB(rewritten),
      amplification: Math.round((100 * (appended + rewritten)) / appended) / 100,
      'removed MiB': inMiB(removed + rewritten),
      'disk MiB': inMiB(disk),
      'segment MiB': inMiB(segmentBytes),
      'turns that removed': turns.length,
    }
  } finally {
    if (!isStopped) await broker.kill()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function putPolicy(broker: BrokerRun, policy: (typeof POLICIES)[number]): Promise<void> {
  const body = JSON.stringify(policy)
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`http://${broker.httpAddress}/v1/policies`, { method: 'PUT', headers, body })
  if (!response.ok) throw new Error(`the policy ${body} was refused: ${await response.text()}`)
}

/** Every run of messages is of one kind; keys come in an order that no segment repeats. */
async function publish(address: string, messages: number, onProgress: (share: number) => void): Promise<void> {
  const value = new Uint8Array(VALUE_BYTES).map((_, i) => (i * 31) & 0xff)
  const keys = Math.ceil(KEYS_SHARE * messages)
  let keyed = 0
  await publishAll(address, messages, onProgress, (mq: GomqClient, i: number) => {
    const kind = Math.floor(i / RUN_MESSAGES) % RUNS
    if (kind === 0) return mq.publish('kept/for-ever', value)
    if (kind >= KEYED_UP_TO) return mq.publish('events/measured', value)
    return mq.publish('state/devices', value, { key: `device-${(keyed++ * 7919) % keys}` })
  })
}

/** @returns when the log's files last changed, on the clock of `performance.now` */
async function rest(folder: string): Promise<number> {
  const seen = () => readdirSync(folder).sort().join()
  let known = seen()
  let changedMs = performance.now()
  while (performance.now() - changedMs < 1000 * REST_SEC) {
    await new Promise((resolve) => setTimeout(resolve, TURN_MS))
    const now = seen()
    if (now === known) continue
    known = now
    changedMs = performance.now()
  }
  return changedMs
}

function sumOf(lines: readonly Record<string, unknown>[], field: string): number {
  return lines.reduce((sum, line) => sum + Number(line[field]), 0)
}

function diskBytes(folder: string): number {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

function inMiB(bytes: number): number {
  return Math.round((10 * bytes) / MIB) / 10
}
