import type { Figure } from '../figure.js'
import { type System, TOPIC } from '../systems/system.js'
import type { WorkerResult } from '../workers/worker-task.js'
import { caseOf, consuming, fill, flow, readingStored, warmUpLong } from './course.js'
import { measure } from './measure.js'
import type { Workload, WorkloadContext } from './workload.js'

const RATES_PER_SEC = [1_000, 10_000]
/** Of one who awaits each, beside the time that there is. */
const AWAITED_MAX = 100_000
/** Live messages a second beside a reader who catches up. */
const BESIDE_PER_SEC = 1_000

/** Publish to arrival at rates that are kept whatever the broker does. */
export const latency: Workload = {
  name: 'latency',
  about: 'durable, acknowledged both ways, at fixed rates: from when a message should have been sent to when it came',
  by: 'p99',
  sizes: 'first',
  run: async (system, context) => {
    const figures: Figure[] = []
    for (const ratePerSec of RATES_PER_SEC) figures.push(await paced(system, context, ratePerSec))
    return figures
  },
}

/** One publish after the other. */
export const awaited: Workload = {
  name: 'awaited',
  about: 'one durable publish after the other, each awaited',
  by: 'rate',
  sizes: 'first',
  run: async (system, context) => {
    const what = caseOf('awaited', context)
    const figure = await measure(system, context, what, async (stage) => {
      await stage.prepare({ subscribers: ['away'], filter: TOPIC })
      const producer = await stage.worker({ kind: 'awaited', sec: context.seconds })
      const { warmed } = await warmUpLong(what, context.seconds, producer)
      stage.begin()
      producer.start(AWAITED_MAX)
      const published = await producer.done
      return { figure: published, all: [published], warmed, messages: published.messages }
    })
    return [figure]
  },
}

/** A reader who catches up, and what that does to those who are there. */
export const mixed: Workload = {
  name: 'mixed',
  about: 'a reader catches up (messages a second) beside 1,000 live messages a second, whose latency is shown',
  by: 'rate',
  sizes: 'first',
  run: async (system, context) => {
    const what = caseOf('mixed', context)
    const figure = await measure(system, context, what, async (stage) => {
      const stored = await fill(stage, what, context.seconds)
      await stage.prepare({ subscribers: ['live'], filter: TOPIC })
      const beside = { kind: 'paced', ratePerSec: BESIDE_PER_SEC } as const
      const [live, producer] = await stage.workers(consuming({ isTimed: true }), beside)
      await warmUpLong(what, context.seconds, producer, live)
      const late = await readingStored(stage, stored)
      const flowing = flow(stage, producer, live, Math.ceil(BESIDE_PER_SEC * context.seconds))
      late.start(stored)
      // Together: if one ends before it is done, so does the other, and nobody would look at it.
      const [read, { published, consumed }] = await Promise.all([late.done, flowing])
      const figure = { ...read, ...(consumed.latency && { latency: consumed.latency }) }
      return { figure, all: [read, published, consumed], messages: stored, ...ackOf(published) }
    })
    return [figure]
  },
}

function paced(system: System, context: WorkloadContext, ratePerSec: number): Promise<Figure> {
  const messages = Math.ceil(ratePerSec * context.seconds)
  const what = caseOf(`latency ${ratePerSec}/s`, context)
  return measure(system, context, what, async (stage) => {
    await stage.prepare({ subscribers: ['live'], filter: TOPIC })
    const [consumer, producer] = await stage.workers(consuming({ isTimed: true }), { kind: 'paced', ratePerSec })
    const { warmed } = await warmUpLong(what, context.seconds, producer, consumer)
    const { published, consumed } = await flow(stage, producer, consumer, messages)
    return { figure: consumed, all: [consumed, published], warmed, messages, ...ackOf(published) }
  })
}

function ackOf({ latency }: WorkerResult) {
  return latency === undefined ? {} : { ackLatency: latency }
}
