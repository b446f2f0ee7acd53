import { connect } from '@gomq/client'
import { RateMeter, WARM_UP_SHARE } from './rate-meter.js'
import { report, type WorkerTask } from './worker-task.js'

const TOPIC = 'bench/throughput'
/** Publishes between two looks at the buffer, so that pacing costs no promise a message. */
const PACE_EVERY = 256

/** One producer, QoS 1, never waiting for a single message. */
export async function gomqPublish(task: WorkerTask, started: Promise<void>): Promise<{ ratePerSec: number }> {
  await using mq = await connect(`gomq://${task.address}`, { clientId: 'bench-producer' })
  const value = new Uint8Array(task.messageBytes).fill(120)
  const meter = new RateMeter(task.messages)
  report({ kind: 'ready' })
  await started
  let rate = 0
  await new Promise<void>((resolve, reject) => {
    const onAck = () => {
      meter.add(1)
      if (meter.isDone) {
        rate = meter.ratePerSec
        resolve()
      }
    }
    const publishAll = async () => {
      for (let i = 0; i < task.messages; i++) {
        mq.publish(TOPIC, value, { qos: 1 }).then(onAck, reject)
        if (i % PACE_EVERY === 0) await mq.writable()
      }
    }
    publishAll().catch(reject)
  })
  return { ratePerSec: rate }
}

/** One consumer from the start of the log, acknowledging as it goes. */
export async function gomqConsume(task: WorkerTask): Promise<{ ratePerSec: number }> {
  await using mq = await connect(`gomq://${task.address}`, { clientId: 'bench-consumer' })
  const subscription = await mq.subscribe([TOPIC], { qos: 1, name: 'bench', from: 'earliest', ack: 'auto' })
  const meter = new RateMeter(task.messages)
  report({ kind: 'ready' })
  for await (const message of subscription) {
    if (message.bytes.byteLength !== task.messageBytes)
      throw new Error(`a message has ${message.bytes.byteLength} bytes`)
    meter.add(1)
    if (meter.isDone) break
  }
  return { ratePerSec: meter.ratePerSec }
}

/** One publish after the other, each awaited: latency of a durable publish. */
export async function gomqAwaited(
  task: WorkerTask,
  started: Promise<void>,
): Promise<{ ratePerSec: number; latenciesUs: number[] }> {
  await using mq = await connect(`gomq://${task.address}`, { clientId: 'bench-awaited' })
  const value = new Uint8Array(task.messageBytes).fill(120)
  const meter = new RateMeter(task.messages)
  const latenciesUs: number[] = []
  report({ kind: 'ready' })
  await started
  for (let i = 0; i < task.messages; i++) {
    const start = process.hrtime.bigint()
    await mq.publish(TOPIC, value, { qos: 1 })
    latenciesUs.push(Number(process.hrtime.bigint() - start) / 1000)
    meter.add(1)
  }
  return { ratePerSec: meter.ratePerSec, latenciesUs: latenciesUs.slice(Math.floor(task.messages * WARM_UP_SHARE)) }
}
