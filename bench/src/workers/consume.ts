import { setTimeout as sleep } from 'node:timers/promises'
import { summarize } from '../statistics.js'
import type { Client } from '../systems/system.js'
import { connectTo, type Measured } from './produce.js'
import { RateMeter, WARM_UP_SHARE } from './rate-meter.js'
import { Tally } from './tally.js'
import { dueUsOf, nowUs, slotOf, slotsFor } from './values.js'
import type { ConsumeTask, WorkerTask } from './worker-task.js'

/** After the end of the publishing, messages are lost when nothing has come for so long. By QoS. */
const LOST_AFTER_MS = [2_000, 20_000] as const
const LOOK_EVERY_MS = 20

/**
 * All subscribers consume until each has had its messages, or nothing more comes.
 * @param begun     called when all subscriptions stand
 * @param finished  settles when nothing more is published
 */
export async function consume(
  task: WorkerTask & ConsumeTask,
  begun: () => Promise<void>,
  finished: Promise<void>,
): Promise<Measured> {
  const total = task.messages * task.subscribers.length
  const meter = new RateMeter(total)
  const tallies = task.subscribers.map(() => new Tally(slotsFor(task.messageBytes)))
  const latenciesUs = new Float64Array(task.isTimed ? total : 0)
  const clients: Client[] = []
  let done = () => {}
  const isComplete = new Promise<void>((resolve) => (done = resolve))
  for (const [i, subscriber] of task.subscribers.entries()) {
    // What is stored may come as soon as one connects: the order to start is waited for before.
    if (task.isStored && i === 0) await begun()
    const client = await connectTo(task, subscriber, task.qos === 1)
    clients.push(client)
    const tally = tallies[i]!
    const onMessage = (value: Uint8Array) => {
      // One beside a live load has read what it was to read, and the rest is not its business.
      if (tally.messages >= task.messages) return
      if (value.byteLength !== task.messageBytes) throw new Error(`a message has ${value.byteLength} bytes`)
      if (task.isTimed) latenciesUs[meter.seen] = nowUs() - dueUsOf(value)
      tally.add(slotOf(value))
      meter.add(1)
      if (meter.isDone) done()
    }
    await client.consume({ subscriber, qos: task.qos, isStored: task.isStored, onMessage })
  }
  if (!task.isStored) await begun()
  await Promise.race([isComplete, finished.then(() => silence(meter, LOST_AFTER_MS[task.qos]))])
  for (const client of clients) await client.close()
  const audits = tallies.map((tally) => tally.audit(task.messages))
  return {
    ratePerSec: meter.ratePerSec,
    ...(task.isTimed && { latency: summarize(latenciesUs.subarray(total * WARM_UP_SHARE, meter.seen)) }),
    lost: audits.reduce((sum, { lost }) => sum + lost, 0),
    duplicated: audits.reduce((sum, { duplicated }) => sum + duplicated, 0),
  }
}

/** Waits until nothing has come for a while; the meter stands at the last message. */
async function silence(meter: RateMeter, ms: number): Promise<void> {
  let seen = -1
  let changedMs = 0
  for (;;) {
    if (meter.isDone) return
    if (meter.seen !== seen) {
      seen = meter.seen
      changedMs = performance.now()
      meter.stop()
    } else if (performance.now() - changedMs > ms) return
    await sleep(LOOK_EVERY_MS)
  }
}
