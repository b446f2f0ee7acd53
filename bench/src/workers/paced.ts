import { summarize } from '../statistics.js'
import type { Client } from '../systems/system.js'
import { startMetronome } from './metronome.js'
import { OpenLoop, WARM_UP_SHARE } from './open-loop.js'
import { connectTo, type Measured, warmUpAlone } from './produce.js'
import { RateMeter } from './rate-meter.js'
import { nowUs, timedValue } from './values.js'
import { type Orders, type PacedTask, progressOf, type WorkerTask } from './worker-task.js'

/** Time for the thread that beats to come up. */
const LEAD_US = 100_000

/** Publishes at a fixed rate; latency is from when a message should have been sent to its acknowledgement. */
export async function publishPaced(task: WorkerTask & PacedTask, orders: Orders): Promise<Measured> {
  const client = await connectTo(task, 'producer-0')
  const { ratePerSec, messageBytes } = task
  const warmed = await warmUpAlone(client, messageBytes, orders, (from, count) =>
    publishAtRate({ client, ratePerSec, messageBytes, from, count }),
  )
  const messages = await orders.start(warmed)
  const meter = new RateMeter()
  const progress = progressOf(messages)
  const latenciesUs = new Float64Array(messages)
  await publishAtRate({
    client,
    ratePerSec,
    messageBytes,
    from: warmed.messages,
    count: messages,
    onStart: (startUs) => meter.start(BigInt(Math.round(1000 * startUs))),
    onAcked: (index, latencyUs) => {
      latenciesUs[index] = latencyUs
      meter.add(1)
      progress(1)
    },
  })
  meter.stop()
  await client.close()
  const latency = summarize(latenciesUs.subarray(messages * WARM_UP_SHARE))
  return { messages, ratePerSec: meter.ratePerSec, latency }
}

/** A stretch of messages at a fixed rate. */
interface Stretch {
  readonly client: Client
  readonly ratePerSec: number
  readonly messageBytes: number
  /** Index of the first message, and how many there are. */
  readonly from: number
  readonly count: number
  /** When the first message should be sent. */
  onStart?(startUs: number): void
  /** Message `index` of the stretch was acknowledged so long after it should have been sent. */
  onAcked?(index: number, latencyUs: number): void
}

async function publishAtRate(stretch: Stretch): Promise<void> {
  const { client, ratePerSec, messageBytes, from, count } = stretch
  const schedule = new OpenLoop(ratePerSec)
  const startUs = nowUs() + LEAD_US
  stretch.onStart?.(startUs)
  let sent = 0
  let acked = 0
  await new Promise<void>((resolve, reject) => {
    const send = (index: number) => {
      const dueUs = startUs + schedule.dueUs(index)
      client.publish(timedValue(messageBytes, from + index, dueUs)).then(() => {
        stretch.onAcked?.(index, nowUs() - dueUs)
        if (++acked === count) resolve()
      }, reject)
    }
    const sendDue = () => {
      const due = Math.min(count, schedule.dueCount(nowUs() - startUs))
      while (sent < due) send(sent++)
    }
    startMetronome({ ratePerSec, messages: count, startUs }, sendDue).catch(reject)
  })
}
