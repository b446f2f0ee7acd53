import type { System } from '../systems/system.js'
import { TOPIC } from '../systems/system.js'
import type { ProduceTask } from '../workers/worker-task.js'
import { caseOf, consuming, fill, flow, producing, readingStored, warmUp, warmUpLong } from './course.js'
import { type Case, measure } from './measure.js'
import type { Workload, WorkloadContext } from './workload.js'

/** Messages of 1 MiB at most: they stay on the disk until the server stops. */
const LARGE_MAX = 1000

const AWAY = { subscribers: ['away'], filter: TOPIC }

/** One producer; messages are kept for one subscriber who is away. */
export const publish: Workload = {
  name: 'publish',
  about: 'one producer, durable, for a subscriber who is away; messages acknowledged a second',
  by: 'rate',
  sizes: 'each',
  run: async (system, context) => [await publishing(system, context, caseOf('publish', context))],
}

/** As {@link publish}, over many topics. */
export const topics: Workload = {
  name: 'topics',
  about: 'as publish, over 10,000 topics in turn, under one subscription to `bench/#`',
  by: 'rate',
  sizes: 'first',
  run: async (system, context) => [await publishing(system, context, caseOf('topics', context), { topics: 10_000 })],
}

/** As {@link publish}, from many connections. */
export const producers: Workload = {
  name: 'producers',
  about: 'as publish, from 100 connections of one process',
  by: 'rate',
  sizes: 'first',
  run: async (system, context) => [
    await publishing(system, context, caseOf('producers', context), { connections: 100 }),
  ],
}

/** One producer, one durable consumer who is there. */
export const endToEnd: Workload = {
  name: 'end-to-end',
  about: 'one producer, one durable consumer who acknowledges; messages received a second',
  by: 'rate',
  sizes: 'each',
  run: async (system, context) => [await flowing(system, context, caseOf('end-to-end', context))],
}

/** As {@link endToEnd}, with messages of 1 MiB. */
export const large: Workload = {
  name: 'large',
  about: 'as end-to-end, with messages of 1 MiB',
  by: 'rate',
  sizes: 'first',
  run: async (system, context) => {
    const messagesMax = Math.max(20, Math.min(LARGE_MAX, Math.floor(context.messages / 1000)))
    return [await flowing(system, context, { workload: 'large', messagesMax, messageBytes: 1024 * 1024 })]
  },
}

/** One durable consumer reading what was stored for it. */
export const catchUp: Workload = {
  name: 'catch-up',
  about: 'one durable consumer who was away reads what was stored for it; messages received a second',
  by: 'rate',
  sizes: 'each',
  run: async (system, context) => {
    const what = caseOf('catch-up', context)
    const figure = await measure(system, context, what, async (stage) => {
      const messages = await fill(stage, what, context.seconds)
      const reader = await readingStored(stage, messages)
      stage.begin()
      reader.start(messages)
      const read = await reader.finish()
      return { figure: read, all: [read], messages }
    })
    return [figure]
  },
}

/** Nothing is promised and nothing stored. */
export const qos0: Workload = {
  name: 'qos0',
  about: 'one producer, one consumer, nothing stored, nothing acknowledged; messages received a second, and those lost',
  by: 'rate',
  sizes: 'first',
  run: async (system, context) => [
    await flowing(system, context, { ...caseOf('qos0', context), durability: 'none' }, { qos: 0 }),
  ],
}

/** One producer, each message to many durable consumers. */
export const fanOut: Workload = {
  name: 'fan-out',
  about:
    'one producer, 10 and 100 durable consumers in one process, who each get all (end-to-end has one); messages received a second, together',
  by: 'rate',
  sizes: 'first',
  run: async (system, context) => {
    const { messages, messageBytes } = context
    const figures = []
    for (const count of [10, 100]) {
      const messagesMax = Math.max(20, Math.floor(messages / count))
      const what = { workload: `fan-out ${count}`, messagesMax, messageBytes }
      figures.push(await flowing(system, context, what, { subscribers: count }))
    }
    return figures
  },
}

function publishing(system: System, context: WorkloadContext, what: Case, how: Partial<ProduceTask> = {}) {
  return measure(system, context, what, async (stage) => {
    await stage.prepare({ ...AWAY, filter: how.topics === undefined ? TOPIC : 'bench/#' })
    const producer = await stage.worker(producing(how))
    const warm = how.topics === undefined ? warmUp : warmUpLong
    const { warmed, messages } = await warm(what, context.seconds, producer)
    stage.begin()
    producer.start(messages)
    const published = await producer.done
    return { figure: published, all: [published], warmed, messages }
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
    const [consumer, producer] = await stage.workers(consuming({ qos, subscribers }), producing({ qos }))
    const { warmed, messages } = await warmUp(what, context.seconds, producer, consumer)
    const { published, consumed } = await flow(stage, producer, consumer, messages)
    return { figure: consumed, all: [consumed, published], warmed, messages, operations: messages * count }
  })
}
