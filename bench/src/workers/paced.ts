import { summarize } from '../statistics.js'
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
  const { ratePerSec } = task
  const schedule = new OpenLoop(ratePerSec)
  const meter = new RateMeter()
  const warmed = await warmUpAlone(client, task.messageBytes, orders)
  const messages = await orders.start(warmed)
  const progress = progressOf(messages)
  const latenciesUs = new Float64Array(messages)
  const startUs = nowUs() + LEAD_US
  meter.start(BigInt(Math.round(1000 * startUs)))
  let sent = 0
  await new Promise<void>((resolve, reject) => {
    const send = (index: number) => {
      const dueUs = startUs + schedule.dueUs(index)
      client.publish(timedValue(task.messageBytes, warmed.messages + index, dueUs)).then(() => {
        latenciesUs[index] = nowUs() - dueUs
        meter.add(1)
        progress(1)
        if (meter.seen === messages) resolve()
      }, reject)
    }
    const sendDue = () => {
      const due = Math.min(messages, schedule.dueCount(nowUs() - startUs))
      while (sent < due) send(sent++)
    }
    startMetronome({ ratePerSec, messages, startUs }, sendDue).catch(reject)
  })
  meter.stop()
  await client.close()
  const latency = summarize(latenciesUs.subarray(messages * WARM_UP_SHARE))
  return { messages, ratePerSec: meter.ratePerSec, latency }
}
