import { type Compression, connect, type GomqClient, GomqError } from '@gomq/client'
import type { SeededRandom } from '@gomq/protocol/testing'
import type { BrokerProcess } from './broker-process.js'
import { Deliveries } from './deliveries.js'
import { Ledger } from './ledger.js'
import { readAll } from './read-all.js'

/** Publishes of one producer that may wait for their ack, where nothing else is said. */
const WINDOW = 400
/** Quick enough that a broker which lives for a tenth of a second is found. */
export const RECONNECT = { minMs: 10, maxMs: 100 }
/** What a broker that fails, starts or stops answers to who connects for the first time; the client itself tries again only later. */
const CONNECT_AGAIN: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'SHUTTING_DOWN',
  'STORAGE_FAILED',
  'NO_LEADER',
  'NOT_LEADER',
])
/** Silence after which the consumer is taken for stalled. */
const STALLED_MS = 15_000

/** Holds publishers for a while. */
export class Gate {
  isClosed = false

  /** Waits until it is open, or everything is over. */
  async pass(stop: AbortSignal): Promise<void> {
    while (this.isClosed && !stop.aborted) await delay(20)
  }
}

/** What compressing producers add to each message, so that every batch is compressed, one message or many. */
const COMPRESSIBLE = { padding: ' '.repeat(1100) }

/** Publishes `name:0`, `name:1`, ... to `load/<name>` until it is stopped, and tells the ledger how each publish settled. */
export async function produce(
  url: string | readonly string[],
  name: string,
  qos: 1 | 2,
  ledger: Ledger,
  stop: AbortSignal,
  options: {
    readonly compression?: Compression
    readonly gate?: Gate
    /** Publishes that may wait for their ack: 1 awaits each. */
    readonly window?: number
    /** Rest after each 64 messages. */
    readonly restMs?: number
    /** Told why a publish was rejected. */
    readonly onRejected?: (error: unknown) => void
  } = {},
): Promise<void> {
  const { compression = 'none', gate = new Gate(), window = WINDOW, restMs = 0, onRejected } = options
  await using mq = await connectAtLast(url, name, compression, stop)
  if (mq === null) return
  const headers = compression === 'none' ? undefined : COMPRESSIBLE
  const waiting = new Set<Promise<void>>()
  for (let sequence = 0; !stop.aborted; sequence++) {
    const settled = mq
      .publish(`load/${name}`, `${name}:${sequence}`, { qos, timeoutMs: 60_000, ...(headers && { headers }) })
      .then(() => ledger.settle(name, sequence, 'acked'))
      .catch((error: unknown) => {
        ledger.settle(name, sequence, fateOf(error))
        onRejected?.(error)
      })
      .finally(() => waiting.delete(settled))
    waiting.add(settled)
    if (waiting.size >= window) await Promise.race(waiting)
    else if (sequence % 64 === 0) await delay(restMs)
    if (gate.isClosed) await gate.pass(stop)
  }
  await Promise.all(waiting)
}

/** Connects to a broker that may just be failing or coming back: tries again until it is stopped, then null. */
async function connectAtLast(
  url: string | readonly string[],
  clientId: string,
  compression: Compression,
  stop: AbortSignal,
): Promise<GomqClient | null> {
  while (!stop.aborted) {
    try {
      return await connect(url, { clientId, reconnect: RECONNECT, compression, signal: stop })
    } catch (error) {
      if (stop.aborted) return null
      if (!(error instanceof GomqError) || !CONNECT_AGAIN.has(error.code)) throw error
      await delay(RECONNECT.maxMs)
    }
  }
  return null
}

/** A durable subscriber under way. */
export interface DurableConsumer {
  /** Settles when the broker has the subscription. */
  readonly ready: Promise<void>
  /** Ends it when `isComplete`, or when nothing more comes; says how often it was told that it missed something. */
  finish(isComplete: () => boolean): Promise<{ missedEvents: number }>
}

/** A durable subscriber to `load/#` that acks what it gets. */
export function consumeDurably(
  url: string | readonly string[],
  qos: 1 | 2,
  deliveries: Deliveries,
  clientId: string = 'auditor',
): DurableConsumer {
  let lastMs = Date.now()
  let missedEvents = 0
  const subscribed = (async () => {
    const mq = await connect(url, { clientId, reconnect: RECONNECT })
    mq.on('missed', () => missedEvents++)
    return { mq, subscription: await mq.subscribe(['load/#'], { qos, name: 'audit', from: 'earliest' }) }
  })()
  const reading = subscribed.then(async ({ subscription }) => {
    for await (const message of subscription) {
      deliveries.note(message.text)
      message.ack().catch(() => {})
      lastMs = Date.now()
    }
  })
  const finish = async (isComplete: () => boolean) => {
    while (!isComplete() && Date.now() - lastMs < STALLED_MS) await delay(20)
    const { mq } = await subscribed
    await mq.close()
    await reading
    return { missedEvents }
  }
  return { ready: subscribed.then(() => undefined), finish }
}

/** What a run of {@link killUnderLoad} left. */
export interface KilledRun {
  readonly ledger: Ledger
  readonly deliveries: Deliveries
  /** Everything in the log, in the order of offsets. */
  readonly stored: readonly string[]
}

/**
 * Publishes with one producer for each of `compressions`, to a durable consumer, and meanwhile `kill -9`s the broker so many times, each
 * 50 to 400 ms after it was ready.
 */
export async function killUnderLoad(
  broker: BrokerProcess,
  options: {
    readonly qos: 1 | 2
    readonly rounds: number
    readonly compressions: readonly Compression[]
    readonly random: SeededRandom
  },
): Promise<KilledRun> {
  const { qos, rounds, compressions, random } = options
  const { url } = broker
  const ledger = new Ledger()
  const deliveries = new Deliveries()
  const stop = new AbortController()
  const producers = compressions.map((compression, i) =>
    produce(url, `p${i}`, qos, ledger, stop.signal, { compression }),
  )
  const consumer = consumeDurably(url, qos, deliveries)
  for (let round = 0; round < rounds; round++) {
    await delay(50 + random.below(350))
    await broker.kill()
    await broker.restart()
  }
  await delay(500)
  stop.abort()
  await Promise.all(producers)
  const stored = await readAll(url, 'load/#')
  await consumer.finish(() => deliveries.count >= stored.length)
  return { ledger, deliveries, stored }
}

/** What a rejected publish says about its message: that it is not stored, or nothing. */
export function fateOf(error: unknown): 'refused' | 'unknown' {
  return error instanceof GomqError && ['TIMEOUT', 'CONNECTION_LOST', 'OUTCOME_UNKNOWN', 'CLOSED'].includes(error.code)
    ? 'unknown'
    : 'refused'
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
