import { summarize } from '../statistics.js'
import { systemNamed } from '../systems/all.js'
import { type Client, TOPIC } from '../systems/system.js'
import { RateMeter, WARM_UP_SHARE } from './rate-meter.js'
import { makeValues, nowUs } from './values.js'
import type { AwaitedTask, ProduceTask, WorkerResult, WorkerTask } from './worker-task.js'

/** What a worker measured, CPU aside. */
export type Measured = Omit<WorkerResult, 'cpuSec'>

/** Connects, so that what follows measures no handshake. */
export async function connectTo(task: WorkerTask, clientId: string, isDurable = false): Promise<Client> {
  const system = await systemNamed(task.system)
  const { messageBytes, compression } = task
  return system.connect(task.address, { clientId, isDurable, messageBytes, compression })
}

/** Each connection publishes its share of the messages, never waiting for a single one. @param begun  called when ready; settles at the start */
export async function produce(task: WorkerTask & ProduceTask, begun: () => Promise<void>): Promise<Measured> {
  const clients: Client[] = []
  for (let i = 0; i < task.connections; i++) clients.push(await connectTo(task, `producer-${i}`))
  const valueAt = makeValues(task.messageBytes, task.compression !== undefined)
  const topics =
    task.topics === 1 ? [TOPIC] : Array.from({ length: task.topics }, (_, i) => `bench/topics/${i % 100}/${i}`)
  const meter = new RateMeter(task.messages)
  await begun()
  const share = Math.ceil(task.messages / task.connections)
  await Promise.all(
    clients.map((client, i) => {
      const from = Math.min(task.messages, i * share)
      const count = Math.min(share, task.messages - from)
      if (count === 0) return undefined
      return client.publishAll({
        count,
        qos: task.qos,
        isOneTopic: topics.length === 1,
        topicAt: (index) => topics[(from + index) % topics.length]!,
        valueAt: (index) => valueAt(from + index),
        onAcked: (acked) => meter.add(acked),
      })
    }),
  )
  for (const client of clients) await client.close()
  return { ratePerSec: meter.ratePerSec }
}

/** One publish after the other, each awaited: latency of a durable publish. */
export async function publishAwaited(task: WorkerTask & AwaitedTask, begun: () => Promise<void>): Promise<Measured> {
  const client = await connectTo(task, 'producer-0')
  const valueAt = makeValues(task.messageBytes, false)
  const meter = new RateMeter(task.messages)
  const latenciesUs = new Float64Array(task.messages)
  await begun()
  for (let i = 0; i < task.messages; i++) {
    const startUs = nowUs()
    await client.publish(valueAt(i))
    latenciesUs[i] = nowUs() - startUs
    meter.add(1)
  }
  await client.close()
  return { ratePerSec: meter.ratePerSec, latency: summarize(latenciesUs.subarray(task.messages * WARM_UP_SHARE)) }
}
