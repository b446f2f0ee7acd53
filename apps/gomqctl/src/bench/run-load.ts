import { randomBytes } from 'node:crypto'
import { type GomqClient, GomqError, type Subscription } from '@gomq/client'
import type { Interruption } from '../interruption.js'
import type { BenchClients } from './bench-clients.js'
import { BenchConsumer } from './bench-consumer.js'
import type { BenchProgress } from './bench-monitor.js'
import type { LoadPlan } from './bench-plan.js'
import { BenchProducer } from './bench-producer.js'
import { Load } from './load.js'
import { OpenLoop, shareOf } from './open-loop.js'
import { settlesWithin } from './within.js'

/** Name of the durable subscriptions of a bench. */
export const SUBSCRIPTION_NAME = 'bench'
/** Seconds after which the broker forgets them if the bench could not say so. */
const SESSION_EXPIRY_SEC = 3600
/** Milliseconds without any delivery after which what is not there counts as missing. */
const SILENCE_MS = 10_000
/** Milliseconds that somebody waits who has pressed Ctrl-C: for acknowledgements, and for deliveries. */
const INTERRUPTED_WAIT_MS = 2000
/** Milliseconds that the end may take to say so, and to remove a subscription. */
const END_TIMEOUT_MS = 5000

/** What came of a bench that publishes. */
export interface LoadOutcome {
  readonly producers: readonly BenchProducer[]
  readonly consumers: readonly BenchConsumer[]
  /** The connection of the first producer. */
  readonly broker: GomqClient['broker']
  readonly isInterrupted: boolean
  /** Messages beside those that are measured, by which consumers know the end. */
  readonly endMessages: number
  /** Whether all deliveries were waited for, so that what did not come is missing. */
  readonly isComplete: boolean
  /** Durable subscriptions that were made, and are removed again. */
  readonly removedSubscriptions: number
  /** Client ids whose subscription could not be removed. */
  readonly leftSubscriptions: readonly string[]
  /** Why it ended early. */
  readonly failure: GomqError | undefined
}

/** What a bench needs beside its plan. */
export interface BenchContext {
  readonly clients: BenchClients
  /** What the client ids of its durable subscriptions begin with. */
  readonly clientIdPrefix: string
  readonly interruption: Pick<Interruption, 'signalled' | 'exitCode'>
  readonly now: () => number
  /** Shows how far it is until the result is disposed. */
  watch(look: () => BenchProgress): Disposable
}

interface Listening {
  readonly mq: GomqClient
  /** Whether the broker keeps its place. */
  readonly isDurable: boolean
  readonly subscription: Subscription
  readonly consumer: BenchConsumer
}

/**
 * Publishes what the plan says and counts what comes of it. Ends in order, with what was measured so far, at a signal or the first failure.
 * @throws GomqError  no connection or subscription came about
 */
export async function runLoad(plan: LoadPlan, context: BenchContext): Promise<LoadOutcome> {
  const { clients, interruption, now } = context
  const listening = await openAll(plan.consumers, (index) => listen(plan, context, index))
  const connections = await openAll(plan.producers, () => clients.open())
  const startMs = now()
  const producers = connections.map((mq, index) => producerOf(mq, plan, index, startMs, now))
  const consumers = listening.map(({ consumer }) => consumer)
  const load = new Load(producers, now, plan.isPrecise)
  let failure: GomqError | undefined
  const consuming = Promise.all(listening.map(({ subscription, consumer }) => consumer.consume(subscription)))
  consuming.catch((error: unknown) => {
    failure ??= GomqError.from(error)
    load.stop()
  })
  void interruption.signalled.then(() => load.stop())
  const isTimed = plan.messages === undefined
  const timer = isTimed ? setTimeout(() => load.stop(), plan.durationMs) : undefined
  let endMessages = 0
  let isComplete = false
  {
    using _monitor = context.watch(() => progressOf(plan, producers, consumers, now() - startMs))
    load.start()
    const isSettled = await finished(load, interruption)
    clearTimeout(timer)
    if (isSettled && consumers.length > 0) {
      endMessages = await publishEnds(producers)
      isComplete = await delivered(consuming, consumers, interruption)
    }
  }
  const left = await removeSubscriptions(listening, context)
  return {
    producers,
    consumers,
    broker: connections[0]?.broker,
    isInterrupted: interruption.exitCode !== undefined,
    endMessages,
    isComplete,
    removedSubscriptions: listening.filter(({ isDurable }) => isDurable).length - left.length,
    leftSubscriptions: left,
    failure: producers.find((each) => each.failure !== undefined)?.failure ?? failure,
  }
}

function openAll<T>(count: number, open: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => open(index)))
}

async function listen(plan: LoadPlan, context: BenchContext, index: number): Promise<Listening> {
  const isDurable = plan.kind === 'e2e' && plan.qos > 0
  const durable = { clientId: `${context.clientIdPrefix}-c${index}`, sessionExpirySec: SESSION_EXPIRY_SEC }
  const mq = await context.clients.open(isDurable ? durable : {})
  const subscription = await mq.subscribe(plan.filter, {
    qos: plan.qos,
    retained: false,
    ...(isDurable && { name: SUBSCRIPTION_NAME, ack: 'auto' }),
  })
  return { mq, isDurable, subscription, consumer: new BenchConsumer(plan.run, plan.producers, context.now) }
}

function producerOf(mq: GomqClient, plan: LoadPlan, producer: number, startMs: number, now: () => number) {
  const { run, topics, qos, window, producers, ratePerSec, warmupShare, durationMs } = plan
  const messages = plan.messages === undefined ? undefined : shareOf(plan.messages, producer, producers)
  const task = {
    ...{ run, producer, topics, qos, window },
    payload: randomBytes(plan.sizeBytes),
    isStamped: plan.consumers > 0,
    messagesMax: messages ?? Number.POSITIVE_INFINITY,
    schedule: ratePerSec > 0 ? new OpenLoop(startMs, ratePerSec, producer, producers) : undefined,
    warmupMessages: messages === undefined ? 0 : Math.floor(messages * warmupShare),
    warmupEndMs: messages === undefined ? startMs + durationMs * warmupShare : 0,
  }
  return new BenchProducer(mq, task, now)
}

function progressOf(
  plan: LoadPlan,
  producers: readonly BenchProducer[],
  consumers: readonly BenchConsumer[],
  elapsedMs: number,
): BenchProgress {
  const acked = producers.reduce((sum, { ackedCount }) => sum + ackedCount, 0)
  const received = consumers.reduce((sum, { tally }) => sum + tally.seen, 0)
  return {
    done: plan.messages === undefined ? elapsedMs : acked,
    total: plan.messages ?? plan.durationMs,
    counts: consumers.length > 0 ? { acked, received } : { acked },
  }
}

/** Waits until all publishes have settled; after a signal not for long. Whether they have. */
async function finished(load: Load, { signalled }: BenchContext['interruption']): Promise<boolean> {
  const impatient = signalled.then(() => settlesWithin(load.finished, INTERRUPTED_WAIT_MS))
  return Promise.race([load.finished.then(() => true), impatient])
}

/** How many of the producers could say that they have ended. */
async function publishEnds(producers: readonly BenchProducer[]): Promise<number> {
  const ends = await Promise.allSettled(producers.map((producer) => producer.publishEnd(END_TIMEOUT_MS)))
  return ends.filter(({ status }) => status === 'fulfilled').length
}

/** Waits until every consumer has got all there is, or none has got anything for a while. False: somebody would not wait so long. */
async function delivered(
  consuming: Promise<unknown>,
  consumers: readonly BenchConsumer[],
  interruption: BenchContext['interruption'],
): Promise<boolean> {
  const total = () => consumers.reduce((sum, each) => sum + each.delivered, 0)
  const impatient = interruption.signalled.then(() => settlesWithin(consuming, INTERRUPTED_WAIT_MS))
  for (let before = -1; before !== total(); ) {
    before = total()
    const isOver = await Promise.race([settlesWithin(consuming, SILENCE_MS), impatient])
    if (isOver || interruption.exitCode !== undefined) return isOver
  }
  return true
}

/** Removes the durable subscriptions and all that belongs to them; returns the client ids of those that stay. */
async function removeSubscriptions(
  listening: readonly Listening[],
  { clients, interruption }: BenchContext,
): Promise<string[]> {
  const timeoutMs = interruption.exitCode === undefined ? END_TIMEOUT_MS : INTERRUPTED_WAIT_MS
  const durable = listening.filter(({ isDurable }) => isDurable)
  const left = await Promise.all(
    durable.map(async ({ mq, subscription }) => {
      let isRemoved = false
      const removal = subscription
        .unsubscribe({ forget: true })
        .then(() => clients.discard(mq))
        .then(() => (isRemoved = true))
      await settlesWithin(removal, timeoutMs)
      return isRemoved ? undefined : mq.clientId
    }),
  )
  return left.filter((clientId) => clientId !== undefined)
}
