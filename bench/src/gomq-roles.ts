import { connect } from '@gomq/client'
import { RateMeter, WARM_UP_SHARE } from './rate-meter.js'
import { report, type WorkerTask } from './worker-task.js'

const TOPIC = 'bench/throughput'
/** Publishes between two looks at the buffer, so that pacing costs no promise a message. */
const PACE_EVERY = 256

/** Messages that differ, so that a compressor has something to do: made before the clock runs. */
const JSON_VALUES = 4096

/** The value of each message: always the same bytes, or, where compression is measured, JSON of about that size. */
function valuesOf({ messageBytes, compression }: WorkerTask): (index: number) => Uint8Array {
  const plain = new Uint8Array(messageBytes).fill(120)
  if (compression === undefined) return () => plain
  let seed = 1
  const below = (bound: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 0x8000_0000
    return Math.floor((seed / 0x8000_0000) * bound)
  }
  const values = Array.from({ length: JSON_VALUES }, (_, id) => jsonOf(messageBytes, id, below))
  return (index) => values[index % JSON_VALUES]!
}

function jsonOf(bytes: number, id: number, below: (bound: number) => number): Uint8Array {
  const order = {
    id,
    customer: `c${below(100_000)}`,
    status: ['new', 'paid', 'sent'][below(3)],
    cents: below(1_000_000),
    note: '',
  }
  const words = ['deliver', 'to', 'the', 'front', 'door', 'after', 'noon', 'ring', 'twice', 'fragile']
  while (JSON.stringify(order).length < bytes) order.note += ` ${words[below(words.length)]}`
  return new TextEncoder().encode(JSON.stringify(order).slice(0, bytes).padEnd(bytes))
}

/** One producer, QoS 1, never waiting for a single message. */
export async function gomqPublish(task: WorkerTask, started: Promise<void>): Promise<{ ratePerSec: number }> {
  await using mq = await connect(`gomq://${task.address}`, {
    clientId: 'bench-producer',
    compression: task.compression ?? 'none',
  })
  const valueAt = valuesOf(task)
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
        mq.publish(TOPIC, valueAt(i), { qos: 1 }).then(onAck, reject)
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
