import type { BenchConsumer } from './bench-consumer.js'
import type { LoadPlan, ReadPlan } from './bench-plan.js'
import type { BenchProducer } from './bench-producer.js'
import { Histogram } from './histogram.js'
import { Meter } from './meter.js'
import type { LoadOutcome } from './run-load.js'
import type { ReadOutcome } from './run-read.js'

/** Percentiles of latencies, in milliseconds. */
export interface LatencyReport {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly 'p99.9': number
  readonly 'p99.99': number
  readonly max: number
}

/** A rate, and what it is the rate of. */
export interface RateReport {
  /** Messages that were measured, and so without the warm-up. */
  readonly messages: number
  readonly ms: number
  readonly messagesPerSec: number
  readonly bytesPerSec: number
}

/** What one consumer got. */
export interface ConsumerReport extends RateReport {
  /** Different messages of this run, the warm-up included. */
  readonly received: number
  /** Null: somebody pressed Ctrl-C before all had come. */
  readonly missing: number | null
  readonly doubled: number
  /** Messages of others on the same topics. */
  readonly foreign: number
}

/** What an acknowledgement means here, as far as the broker tells. */
export interface AckReport {
  /** `none` for QoS 0, `unknown` if nothing was acknowledged or published. */
  readonly level: 'none' | 'written' | 'synced' | 'replicated' | 'unknown'
  readonly meaning: string
  /** Brokers that had to have it on disk; null where that is not known. */
  readonly brokers: number | null
}

/** What a bench leaves in the broker's log. */
export interface WrittenReport {
  /** Filter of the topics. */
  readonly topic: string
  /** Messages that were acknowledged, and those that mark the end. */
  readonly messages: number
  /** Messages that were not acknowledged, and may be stored all the same. */
  readonly uncertain: number
  readonly payloadBytes: number
}

/** The result of a bench as `--json` prints it. What does not belong to this bench is absent. */
export interface BenchReport {
  readonly bench: 'pub' | 'sub' | 'e2e' | 'latency'
  readonly versions: { readonly gomqctl: string; readonly gomq: string | null; readonly node: string }
  readonly brokerId: string | null
  readonly acknowledgement: AckReport
  readonly settings: Readonly<Record<string, unknown>>
  /** Messages that were published and acknowledged, and those that were not. */
  readonly published?: RateReport & { readonly handedOver: number; readonly acked: number; readonly failed: number }
  readonly received?: RateReport & { readonly consumers: readonly (ConsumerReport | RateReport)[] }
  /** From where latencies count, if any were measured: when a message was to be sent, or when it was. */
  readonly latencyFrom?: 'schedule' | 'publish'
  readonly ackLatencyMs?: LatencyReport
  readonly deliveryLatencyMs?: LatencyReport
  /** How late this process itself was with its messages; it is part of the latencies. */
  readonly latenessMs?: LatencyReport
  /** What stays in the broker's log. */
  readonly written?: WrittenReport
  readonly removedSubscriptions?: number
  readonly reconnects: number
  readonly isInterrupted: boolean
  /** Why it ended early. */
  readonly failure: { readonly code: string; readonly message: string } | null
}

/** What a report has beside the plan and the outcome. */
export interface ReportContext {
  readonly gomqctlVersion: string
  readonly nodeVersion: string
  readonly reconnects: number
  readonly compression: string
  /** Brokers that are in sync, for what is replicated. */
  readonly brokersInSync: number | null
}

/** The report of a bench that published. */
export function loadReport(plan: LoadPlan, outcome: LoadOutcome, context: ReportContext): BenchReport {
  const { producers, consumers } = outcome
  const sum = (of: (producer: BenchProducer) => number) => producers.reduce((all, each) => all + of(each), 0)
  const handedOver = sum(({ published }) => published)
  const acked = sum(({ ackedCount }) => ackedCount)
  const perConsumer = consumers.map((consumer) => ({
    ...rateOf(consumer.received),
    received: consumer.tally.seen,
    missing: outcome.isComplete ? missingOf(consumer, producers) : null,
    doubled: consumer.tally.doubled,
    foreign: consumer.foreign,
  }))
  return {
    ...headOf(plan.kind, outcome, context),
    acknowledgement: ackOf(plan, outcome, context),
    settings: {
      topic: plan.topic,
      topics: plan.topics.length,
      qos: plan.qos,
      payloadBytes: plan.sizeBytes,
      producers: plan.producers,
      consumers: plan.consumers,
      ratePerSec: plan.ratePerSec,
      precise: plan.isPrecise,
      window: plan.window,
      messages: plan.messages ?? null,
      durationMs: plan.messages === undefined ? plan.durationMs : null,
      warmup: plan.warmupShare,
      compression: context.compression,
    },
    published: {
      ...rateOf(metersOf(producers.map((each) => each.acked))),
      handedOver,
      acked,
      failed: handedOver - acked,
    },
    latencyFrom: plan.ratePerSec > 0 ? 'schedule' : 'publish',
    ...latencyOf(
      'ackLatencyMs',
      producers.map(({ latency }) => latency),
    ),
    ...(consumers.length > 0 && {
      received: { ...rateOf(metersOf(consumers.map((each) => each.received))), consumers: perConsumer },
      ...latencyOf(
        'deliveryLatencyMs',
        consumers.map(({ latency }) => latency),
      ),
    }),
    ...latencyOf(
      'latenessMs',
      producers.map(({ lateness }) => lateness),
    ),
    written: writtenOf(plan, acked, handedOver, outcome.endMessages),
    removedSubscriptions: outcome.removedSubscriptions,
  }
}

/** The report of a bench that only read. */
export function readReport(plan: ReadPlan, outcome: ReadOutcome, context: ReportContext): BenchReport {
  const meters = outcome.readers.map(({ received }) => received)
  return {
    ...headOf('sub', outcome, context),
    acknowledgement: {
      level: 'none',
      meaning: 'nothing is acknowledged: the subscriptions are not durable, and the broker keeps no place for them',
      brokers: null,
    },
    settings: {
      filters: plan.filters,
      from: plan.from,
      qos: plan.qos,
      consumers: plan.consumers,
      messages: plan.messages ?? null,
      durationMs: plan.durationMs ?? null,
      warmup: plan.warmupShare,
    },
    received: {
      ...rateOf(metersOf(meters)),
      consumers: outcome.readers.map(({ received, messages }) => ({ ...rateOf(received), received: messages })),
    },
  }
}

function writtenOf(plan: LoadPlan, acked: number, handedOver: number, endMessages: number): WrittenReport {
  const isStored = plan.qos > 0
  return {
    topic: plan.filter,
    messages: isStored ? acked + endMessages : 0,
    uncertain: isStored ? handedOver - acked : 0,
    payloadBytes: isStored ? acked * plan.sizeBytes : 0,
  }
}

function missingOf({ tally }: BenchConsumer, producers: readonly BenchProducer[]): number {
  return producers.reduce(
    (missing, { published, failed }, producer) => missing + tally.missing(producer, published, failed),
    0,
  )
}

function headOf(
  bench: BenchReport['bench'],
  { broker, isInterrupted, failure }: Pick<LoadOutcome, 'broker' | 'isInterrupted' | 'failure'>,
  { gomqctlVersion, nodeVersion, reconnects }: ReportContext,
) {
  return {
    bench,
    versions: { gomqctl: gomqctlVersion, gomq: broker?.version ?? null, node: nodeVersion },
    brokerId: broker?.id ?? null,
    reconnects,
    isInterrupted,
    failure: failure === undefined ? null : { code: failure.code, message: failure.message },
  }
}

/** What the broker's own acknowledgements say; of two levels the weaker one, for a broker that changed it midway. */
function ackOf({ qos }: LoadPlan, { producers }: LoadOutcome, { brokersInSync }: ReportContext): AckReport {
  if (qos === 0)
    return {
      level: 'none',
      meaning: 'QoS 0: nobody acknowledges; what counts here is that this machine took it',
      brokers: null,
    }
  const seen = new Set(producers.flatMap(({ durabilities }) => [...durabilities]))
  if (seen.has('written'))
    return {
      level: 'written',
      meaning: 'handed to the operating system of the broker, not synced to its disk',
      brokers: null,
    }
  if (seen.has('synced'))
    return { level: 'synced', meaning: "on the broker's disk: synced (fsync) before each acknowledgement", brokers: 1 }
  if (seen.has('replicated'))
    return {
      level: 'replicated',
      meaning: `synced (fsync) on the disks of all brokers in sync${brokersInSync === null ? '; how many is not known here' : `: ${brokersInSync} at the end`}`,
      brokers: brokersInSync,
    }
  return { level: 'unknown', meaning: 'nothing was acknowledged', brokers: null }
}

function metersOf(meters: readonly Meter[]): Meter {
  const all = new Meter()
  for (const meter of meters) all.add(meter)
  return all
}

function rateOf(meter: Meter): RateReport {
  return {
    messages: meter.messages,
    ms: rounded(meter.elapsedMs),
    messagesPerSec: Math.round(meter.messagesPerSec),
    bytesPerSec: Math.round(meter.bytesPerSec),
  }
}

/** The latencies under a name; nothing if none was measured. */
function latencyOf<Name extends string>(
  name: Name,
  histograms: readonly Histogram[],
): { readonly [N in Name]?: LatencyReport } {
  const all = new Histogram()
  for (const histogram of histograms) all.add(histogram)
  if (all.count === 0) return {}
  const at = (percent: number) => all.percentileMs(percent)
  const report: LatencyReport = {
    ...{ count: all.count, p50: at(50), p90: at(90), p99: at(99) },
    ...{ 'p99.9': at(99.9), 'p99.99': at(99.99), max: all.maxMs },
  }
  return { [name]: report } as { readonly [N in Name]?: LatencyReport }
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
