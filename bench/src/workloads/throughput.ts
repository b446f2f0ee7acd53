import type { System } from '../systems/system.js'
import { TOPIC } from '../systems/system.js'
import type { ConsumeTask, ProduceTask } from '../workers/worker-task.js'
import { type Case, type Found, measure, type Stage } from './measure.js'
import type { Workload, WorkloadContext } from './workload.js'

const AWAY = { subscribers: ['away'], filter: TOPIC }

/** One producer; messages are kept for one subscriber who is away. */
export const publish: Workload = {
  name: 'publish',
  about: 'one producer, durable, for a subscriber who is away; messages acknowledged a second',
  by: 'rate',
  run: async (system, context) => [await publishing(system, context, caseOf('publish', system, context))],
}

/** As {@link publish}, over many topics. */
export const topics: Workload = {
  name: 'topics',
  about: 'as publish, over 10,000 topics in turn, under one subscription to `bench/#`',
  by: 'rate',
  run: async (system, context) => [
    await publishing(system, context, caseOf('topics', system, context), { topics: 10_000 }),
  ],
}

/** As {@link publish}, from many connections. */
export const producers: Workload = {
  name: 'producers',
  about: 'as publish, from 100 connections of one process',
  by: 'rate',
  run: async (system, context) => [
    await publishing(system, context, caseOf('producers', system, context), { connections: 100 }),
  ],
}

/** One producer, one durable consumer who is there. */
export const endToEnd: Workload = {
  name: 'end-to-end',
  about: 'one producer, one durable consumer who acknowledges; messages received a second',
  by: 'rate',
  run: async (system, context) => [await flowing(system, context, caseOf('end-to-end', system, context))],
}

/** As {@link endToEnd}, with messages of 1 MiB. */
export const large: Workload = {
  name: 'large',
  about: 'as end-to-end, with messages of 1 MiB',
  by: 'rate',
  run: async (system, context) => {
    const messages = Math.max(10, Math.min(500, Math.floor(context.messages / 1000)))
    return [await flowing(system, context, { workload: 'large', messages, messageBytes: 1024 * 1024 })]
  },
}

/** One durable consumer reading what was stored for it. */
export const catchUp: Workload = {
  name: 'catch-up',
  about: 'one durable consumer who was away reads what was stored for it; messages received a second',
  by: 'rate',
  run: async (system, context) => {
    const what = caseOf('catch-up', system, context)
    const figure = await measure(system, context, what, async (stage) => {
      await stage.prepare(AWAY)
      await fill(stage, what.messages)
      const reader = await stage.worker(consuming(what.messages, { subscribers: AWAY.subscribers, isStored: true }))
      stage.beginCpu()
      reader.order('start')
      reader.order('finish')
      return alone(await reader.done)
    })
    return [figure]
  },
}

/** Nothing is promised and nothing stored. */
export const qos0: Workload = {
  name: 'qos0',
  about: 'one producer, one consumer, nothing stored, nothing acknowledged; messages received a second, and those lost',
  by: 'rate',
  run: async (system, context) => [
    await flowing(system, context, { ...caseOf('qos0', system, context), durability: 'none' }, { qos: 0 }),
  ],
}

/** One producer, each message to many durable consumers. */
export const fanOut: Workload = {
  name: 'fan-out',
  about:
    'one producer, 1, 10 and 100 durable consumers in one process, who each get all; messages received a second, together',
  by: 'rate',
  run: async (system, context) => {
    const deliveries = caseOf('fan-out', system, context).messages
    const figures = []
    for (const count of [1, 10, 100]) {
      const messages = Math.max(10, Math.floor(deliveries / count))
      const what = { ...context, workload: `fan-out ${count}`, messages, operations: messages * count }
      figures.push(await flowing(system, context, what, { subscribers: count }))
    }
    return figures
  },
}

/** Fills, with CPU and time that are no part of a figure. */
export async function fill(stage: Stage, messages: number): Promise<void> {
  const producer = await stage.worker(producing(messages))
  producer.order('start')
  await producer.done
}

/** The messages of a workload: as many as were asked for, or as the system takes. */
export function caseOf(workload: string, system: System, { messages, messageBytes }: WorkloadContext): Case {
  return { workload, messages: Math.min(messages, system.messagesMax ?? messages), messageBytes }
}

/** A consumer's work. */
export function consuming(messages: number, how: Partial<ConsumeTask> = {}): ConsumeTask {
  return { kind: 'consume', messages, subscribers: ['live'], isStored: false, qos: 1, isTimed: false, ...how }
}

function producing(messages: number, how: Partial<ProduceTask> = {}): ProduceTask {
  return { kind: 'produce', messages, connections: 1, topics: 1, qos: 1, ...how }
}

function alone(figure: Found['figure']): Found {
  return { figure, all: [figure] }
}

function publishing(system: System, context: WorkloadContext, what: Case, how: Partial<ProduceTask> = {}) {
  return measure(system, context, what, async (stage) => {
    await stage.prepare({ ...AWAY, filter: how.topics === undefined ? TOPIC : 'bench/#' })
    const producer = await stage.worker(producing(what.messages, how))
    stage.beginCpu()
    producer.order('start')
    return alone(await producer.done)
  })
}

function flowing(
  system: System,
  context: WorkloadContext,
  what: Case,
  { qos = 1, subscribers: count = 1 }: { readonly qos?: 0 | 1; readonly subscribers?: number } = {},
) {
  return measure(system, context, what, async (stage) => {
    const subscribers = Array.from({ length: count }, (_, i) => `live-${i}`)
    if (qos === 1) await stage.prepare({ subscribers, filter: TOPIC })
    const consumer = await stage.worker(consuming(what.messages, { qos, subscribers }))
    const producer = await stage.worker(producing(what.messages, { qos }))
    stage.beginCpu()
    consumer.order('start')
    producer.order('start')
    const published = await producer.done
    consumer.order('finish')
    const consumed = await consumer.done
    return { figure: consumed, all: [consumed, published] }
  })
}
