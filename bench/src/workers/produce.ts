import { summarize } from '../statistics.js'
import { systemNamed } from '../systems/all.js'
import { type Client, type PublishJob, TOPIC } from '../systems/system.js'
import { WARM_UP_SHARE } from './open-loop.js'
import { RateMeter } from './rate-meter.js'
import { makeValues, nowUs } from './values.js'
import { type Warmed, warmUp } from './warm-up.js'
import {
  type AwaitedTask,
  type Orders,
  type ProduceTask,
  progressOf,
  type WorkerResult,
  type WorkerTask,
} from './worker-task.js'

/** Share of the warm-up of one who publishes each message by itself that is at full speed. */
const FULL_SPEED_SHARE = 1 / 4

/** What a worker measured, CPU aside. */
export type Measured = Omit<WorkerResult, 'cpuSec'>

/** Connects, so that what follows measures no handshake. */
export async function connectTo(
  task: WorkerTask,
  clientId: string,
  { isDurable = false, connections = 1 }: { readonly isDurable?: boolean; readonly connections?: number } = {},
): Promise<Client> {
  const system = await systemNamed(task.system)
  const { messageBytes, compression } = task
  return system.connect(task.address, { clientId, isDurable, connections, messageBytes, compression })
}

/** Each connection publishes its share of the messages, never waiting for a single one. */
export async function produce(task: WorkerTask & ProduceTask, orders: Orders): Promise<Measured> {
  const { connections, messageBytes } = task
  const clients: Client[] = []
  for (let i = 0; i < connections; i++) clients.push(await connectTo(task, `producer-${i}`, { connections }))
  const topics =
    task.topics === 1 ? [TOPIC] : Array.from({ length: task.topics }, (_, i) => `bench/topics/${i % 100}/${i}`)
  const job = {
    qos: task.qos,
    isOneTopic: topics.length === 1,
    topicAt: (index: number) => topics[index % topics.length]!,
    valueAt: makeValues(messageBytes, task.compression !== undefined),
  }
  // Each topic once, and then again: the first message of a topic costs more than the next.
  const messagesMin = topics.length === 1 ? 0 : 2 * topics.length
  const warmed = await warmUpProducer(clients, job, messageBytes, orders, messagesMin)
  const messages = await orders.start(warmed)
  const meter = new RateMeter()
  const progress = progressOf(messages)
  await publishMeasured(clients, job, warmed.messages, messages, meter, progress)
  for (const client of clients) await client.close()
  return { messages, ratePerSec: meter.ratePerSec }
}

/** Messages, whoever publishes them. */
type Messages = Omit<PublishJob, 'count' | 'onAcked'>

/** The clock goes from before the first publish of any connection until all messages of all connections are acknowledged. */
export async function publishMeasured(
  clients: readonly Client[],
  job: Messages,
  from: number,
  count: number,
  meter: RateMeter,
  onAcked: (count: number) => void,
): Promise<void> {
  meter.start()
  const counted = (acked: number) => {
    meter.add(acked)
    onAcked(acked)
  }
  await publishShares(clients, { ...job, onAcked: counted }, from, count)
  meter.stop()
}

/** Publishes for the warm-up. */
async function warmUpProducer(
  clients: readonly Client[],
  job: Messages,
  messageBytes: number,
  orders: Orders,
  messagesMin = 0,
): Promise<Warmed> {
  const uncounted = { ...job, onAcked: () => undefined }
  const bounds = { ...(await orders.warmUp()), messagesMin }
  return warmUp(bounds, messageBytes, (from, count) => publishShares(clients, uncounted, from, count))
}

/**
 * The warm-up of a producer who publishes each message by itself: at full speed, and then one after the other, until compilers have seen both. At the
 * rate that is measured it would take a minute.
 */
export async function warmUpAlone(client: Client, messageBytes: number, orders: Orders): Promise<Warmed> {
  const bounds = await orders.warmUp()
  const job = { ...plainMessages(messageBytes), onAcked: () => undefined }
  const fast = { messages: bounds.messages, sec: bounds.sec * FULL_SPEED_SHARE }
  const first = await warmUp(fast, messageBytes, (from, count) => publishShares([client], job, from, count))
  const alone = { messages: Math.max(1, bounds.messages - first.messages), sec: bounds.sec - fast.sec }
  const then = await warmUp(alone, messageBytes, async (from, count) => {
    for (let i = 0; i < count; i++) await client.publish(job.valueAt(first.messages + from + i))
  })
  return { messages: first.messages + then.messages, ratePerSec: then.ratePerSec }
}

/** Messages of the topic that consumers read. */
function plainMessages(messageBytes: number): Messages {
  return { qos: 1, isOneTopic: true, topicAt: () => TOPIC, valueAt: makeValues(messageBytes, false) }
}

async function publishShares(
  clients: readonly Client[],
  job: Omit<PublishJob, 'count'>,
  from: number,
  count: number,
): Promise<void> {
  const firstOf = (i: number) => Math.floor((i * count) / clients.length)
  await Promise.all(
    clients.map((client, i) => {
      const first = firstOf(i)
      const own = firstOf(i + 1) - first
      if (own === 0) return undefined
      return client.publishAll({
        ...job,
        count: own,
        topicAt: (index) => job.topicAt(from + first + index),
        valueAt: (index) => job.valueAt(from + first + index),
      })
    }),
  )
}

/** One publish after the other, each awaited: latency of a durable publish. */
export async function publishAwaited(task: WorkerTask & AwaitedTask, orders: Orders): Promise<Measured> {
  const client = await connectTo(task, 'producer-0')
  const job = plainMessages(task.messageBytes)
  const warmed = await warmUpAlone(client, task.messageBytes, orders)
  const messagesMax = await orders.start(warmed)
  const latenciesUs = new Float64Array(messagesMax)
  const meter = new RateMeter()
  const endUs = nowUs() + 1e6 * task.sec
  meter.start()
  for (let sentUs = nowUs(); meter.seen < messagesMax && sentUs < endUs; sentUs = nowUs()) {
    await client.publish(job.valueAt(warmed.messages + meter.seen))
    latenciesUs[meter.seen] = nowUs() - sentUs
    meter.add(1)
  }
  meter.stop()
  await client.close()
  const from = Math.floor(meter.seen * WARM_UP_SHARE)
  return {
    messages: meter.seen,
    ratePerSec: meter.ratePerSec,
    latency: summarize(latenciesUs.subarray(from, meter.seen)),
  }
}
