import type { Figure } from '../figure.js'
import { type System, TOPIC } from '../systems/system.js'
import { measure } from './measure.js'
import { caseOf, consuming, fill } from './throughput.js'
import type { Workload, WorkloadContext } from './workload.js'

const RATES_PER_SEC = [1_000, 10_000]
const AWAITED_MAX = 5_000
/** Live messages a second beside a reader who catches up. */
const BESIDE_PER_SEC = 1_000

/** Publish to arrival at rates that are kept whatever the broker does. */
export const latency: Workload = {
  name: 'latency',
  about: 'durable, acknowledged both ways, at fixed rates: from when a message should have been sent to when it came',
  by: 'p99',
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
  run: async (system, context) => {
    const { messages } = caseOf('awaited', system, context)
    const what = { ...context, workload: 'awaited', messages: Math.min(messages, AWAITED_MAX) }
    const figure = await measure(system, context, what, async (stage) => {
      await stage.prepare({ subscribers: ['away'], filter: TOPIC })
      const producer = await stage.worker({ kind: 'awaited', messages: what.messages })
      stage.beginCpu()
      producer.order('start')
      const published = await producer.done
      return { figure: published, all: [published] }
    })
    return [figure]
  },
}

/** A reader who catches up, and what that does to those who are there. */
export const mixed: Workload = {
  name: 'mixed',
  about: 'a reader catches up (messages a second) beside 1,000 live messages a second, whose latency is shown',
  by: 'rate',
  run: async (system, context) => {
    const what = caseOf('mixed', system, context)
    const figure = await measure(system, context, what, async (stage) => {
      await stage.prepare({ subscribers: ['late'], filter: TOPIC })
      await fill(stage, what.messages)
      await stage.prepare({ subscribers: ['live'], filter: TOPIC })
      const messages = Math.ceil(BESIDE_PER_SEC * context.pacedSec)
      const live = await stage.worker(consuming(messages, { isTimed: true }))
      const producer = await stage.worker({ kind: 'paced', messages, ratePerSec: BESIDE_PER_SEC })
      const late = await stage.worker(consuming(what.messages, { subscribers: ['late'], isStored: true }))
      stage.beginCpu()
      live.order('start')
      producer.order('start')
      late.order('start')
      const read = await late.done
      const published = await producer.done
      live.order('finish')
      const consumed = await live.done
      const figure = { ...read, ...(consumed.latency && { latency: consumed.latency }) }
      const ackLatency = published.latency
      return { figure, all: [read, published, consumed], ...(ackLatency && { ackLatency }) }
    })
    return [figure]
  },
}

function paced(system: System, context: WorkloadContext, ratePerSec: number): Promise<Figure> {
  const messages = Math.ceil(ratePerSec * context.pacedSec)
  const what = { workload: `latency ${ratePerSec}/s`, messages, messageBytes: context.messageBytes }
  return measure(system, context, what, async (stage) => {
    await stage.prepare({ subscribers: ['live'], filter: TOPIC })
    const consumer = await stage.worker(consuming(messages, { isTimed: true }))
    const producer = await stage.worker({ kind: 'paced', messages, ratePerSec })
    stage.beginCpu()
    consumer.order('start')
    producer.order('start')
    const published = await producer.done
    consumer.order('finish')
    const consumed = await consumer.done
    const ackLatency = published.latency
    return { figure: consumed, all: [consumed, published], ...(ackLatency && { ackLatency }) }
  })
}
