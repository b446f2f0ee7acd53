import { TOPIC } from '../systems/system.js'
import type { WorkerProcess } from '../workers/worker-process.js'
import type { ConsumeTask, ProduceTask, WorkerResult } from '../workers/worker-task.js'
import type { Case, Stage } from './measure.js'
import type { WorkloadContext } from './workload.js'

/** How long a warm-up lasts, about; where things settle later; and the share of the messages that it takes at most. */
const WARM_UP_SEC = 1
const WARM_UP_LONG_SEC = 4
const WARM_UP_SHARE = 0.25

/** Subscribers of a reader of stored messages. */
const READER = 'late'
const READERS_WARM_UP = 'early'

/** A warm-up that is over, and what follows it. */
export interface Warm {
  /** Messages of the warm-up, and of the measurement. */
  readonly warmed: number
  readonly messages: number
}

/**
 * Lets the producer publish, and the consumer receive, until both are warm; all of that is done when this settles. The rate of its largest round, less
 * what the consumer lagged behind, says how many messages the measurement has.
 */
export async function warmUp(
  what: Case,
  seconds: number,
  producer: WorkerProcess,
  consumer?: WorkerProcess,
): Promise<Warm> {
  return warmUpFor(Math.min(WARM_UP_SEC, seconds), what, seconds, producer, consumer)
}

/** The same where things settle later: each message is published by itself, or there are many topics. */
export async function warmUpLong(
  what: Case,
  seconds: number,
  producer: WorkerProcess,
  consumer?: WorkerProcess,
): Promise<Warm> {
  return warmUpFor(Math.min(WARM_UP_LONG_SEC, WARM_UP_LONG_SEC * seconds), what, seconds, producer, consumer)
}

async function warmUpFor(
  sec: number,
  { messagesMax }: Case,
  seconds: number,
  producer: WorkerProcess,
  consumer?: WorkerProcess,
): Promise<Warm> {
  const startMs = performance.now()
  const warmed = await producer.warmUp(Math.ceil(messagesMax * WARM_UP_SHARE), sec)
  const publishedMs = performance.now()
  await consumer?.warmUp(warmed.messages, WARM_UP_SEC)
  const ratePerSec = warmed.ratePerSec * ((publishedMs - startMs) / (performance.now() - startMs))
  return { warmed: warmed.messages, messages: messagesFor(ratePerSec, seconds, messagesMax - warmed.messages) }
}

/** Messages of a measurement that may take so long. */
export function messagesFor(ratePerSec: number, seconds: number, messagesMax: number): number {
  return Math.max(1, Math.min(messagesMax, Math.ceil(ratePerSec * seconds)))
}

/** Measures a producer and a consumer at once. */
export async function flow(
  stage: Stage,
  producer: WorkerProcess,
  consumer: WorkerProcess,
  messages: number,
): Promise<{ readonly published: WorkerResult; readonly consumed: WorkerResult }> {
  stage.begin()
  consumer.start(messages)
  producer.start(messages)
  const published = await producer.done
  return { published, consumed: await consumer.finish() }
}

/** Stores messages for a reader who is away, with CPU and time that are no part of a figure. @returns how many */
export async function fill(stage: Stage, what: Case, seconds: number): Promise<number> {
  await stage.prepare({ subscribers: [READER, READERS_WARM_UP], filter: TOPIC })
  const producer = await stage.worker(producing())
  const { warmed, messages } = await warmUp(what, seconds, producer)
  producer.start(messages)
  await producer.done
  return warmed + messages
}

/** A reader of what {@link fill} stored, warm. */
export async function readingStored(stage: Stage, stored: number): Promise<WorkerProcess> {
  const reader = await stage.worker(consuming({ subscribers: [READER], stored: { warmUpAs: READERS_WARM_UP } }))
  await reader.warmUp(Math.ceil(stored * WARM_UP_SHARE), WARM_UP_SEC)
  return reader
}

/** The messages of a workload: as many as were asked for. */
export function caseOf(workload: string, { messages, messageBytes }: WorkloadContext): Case {
  return { workload, messagesMax: messages, messageBytes }
}

/** A consumer's work. */
export function consuming(how: Partial<ConsumeTask> = {}): ConsumeTask {
  return { kind: 'consume', subscribers: ['live'], qos: 1, isTimed: false, ...how }
}

/** A producer's work. */
export function producing(how: Partial<ProduceTask> = {}): ProduceTask {
  return { kind: 'produce', connections: 1, topics: 1, qos: 1, ...how }
}
