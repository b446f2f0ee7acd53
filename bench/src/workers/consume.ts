import { setTimeout as sleep } from 'node:timers/promises'
import { summarize } from '../statistics.js'
import type { Client } from '../systems/system.js'
import { WARM_UP_SHARE } from './open-loop.js'
import { connectTo, type Measured } from './produce.js'
import { RateMeter } from './rate-meter.js'
import { Tally } from './tally.js'
import { dueUsOf, nowUs, slotOf, slotsFor } from './values.js'
import { type ConsumeTask, type Orders, progressOf, type WorkerTask } from './worker-task.js'

/** After the end of the publishing, messages are lost when nothing has come for so long. By QoS. */
const LOST_AFTER_MS = [2_000, 20_000] as const
/** The same after the warm-up. */
const LOST_WARM_AFTER_MS = [300, 20_000] as const
const LOOK_EVERY_MS = 20

/** All subscribers consume until each has had its messages, or nothing more comes. */
export async function consume(task: WorkerTask & ConsumeTask, orders: Orders): Promise<Measured> {
  return task.stored === undefined ? consumeLive(task, orders) : consumeStored(task, task.stored.warmUpAs, orders)
}

/** What is published while it consumes: the messages of the warm-up, then those that are measured. */
async function consumeLive(task: WorkerTask & ConsumeTask, orders: Orders): Promise<Measured> {
  const { qos, subscribers } = task
  const intake = new Intake(task)
  for (const subscriber of subscribers) await intake.open(subscriber)
  const { messages: warmed } = await orders.warmUp()
  intake.expect(warmed)
  await Promise.race([intake.complete, silence(intake, LOST_WARM_AFTER_MS[qos])])
  const messages = await orders.start({ messages: warmed, ratePerSec: 0 })
  intake.measure(warmed, messages)
  await Promise.race([intake.complete, orders.finished.then(() => silence(intake, LOST_AFTER_MS[qos]))])
  await intake.close()
  return intake.measured(warmed + messages)
}

/** What is stored: a subscriber of its own reads some of it as the warm-up; from before the others connect the clock runs. */
async function consumeStored(task: WorkerTask & ConsumeTask, warmUpAs: string, orders: Orders): Promise<Measured> {
  const first = new Intake(task)
  const warmed = (await orders.warmUp()).messages
  first.expect(warmed)
  await first.open(warmUpAs)
  await first.complete
  await first.close()
  const messages = await orders.start({ messages: warmed, ratePerSec: 0 })
  const intake = new Intake(task)
  intake.measure(0, messages)
  for (const subscriber of task.subscribers) await intake.open(subscriber)
  await Promise.race([intake.complete, orders.finished.then(() => silence(intake, LOST_AFTER_MS[task.qos]))])
  await intake.close()
  return intake.measured(messages)
}

/** The subscribers' messages, counted. */
class Intake {
  readonly #task: WorkerTask & ConsumeTask
  readonly #clients: Client[] = []
  readonly #tallies: Tally[] = []
  readonly #meter = new RateMeter()
  #latenciesUs = new Float64Array(0)
  #progress = (_count: number) => {}
  #each = 0
  /** What the warm-up lost, which is no part of the figure. */
  #lostBefore = 0
  #received = 0
  #done = () => {}
  /** Settles when each subscriber has the messages that are expected. */
  complete: Promise<void> = Promise.resolve()

  constructor(task: WorkerTask & ConsumeTask) {
    this.#task = task
  }

  /** Messages that came, of all subscribers. */
  get received(): number {
    return this.#received
  }

  get isComplete(): boolean {
    return this.#received >= this.#each * this.#task.subscribers.length
  }

  /** Each subscriber is to have so many messages from its begin on. */
  expect(each: number): void {
    this.#each = each
    this.complete = new Promise((resolve) => (this.#done = resolve))
    if (this.isComplete) this.#done()
  }

  /** The messages after those of the warm-up are measured from now on. */
  measure(warmed: number, messages: number): void {
    this.#lostBefore = this.#lostOf(warmed)
    this.expect(warmed + messages)
    const total = messages * this.#task.subscribers.length
    this.#progress = progressOf(total)
    if (this.#task.isTimed) this.#latenciesUs = new Float64Array(total)
    this.#meter.start()
  }

  async open(subscriber: string): Promise<void> {
    const { qos, messageBytes, isTimed, stored } = this.#task
    const client = await connectTo(this.#task, subscriber, { isDurable: qos === 1 })
    this.#clients.push(client)
    const tally = new Tally(slotsFor(messageBytes))
    this.#tallies.push(tally)
    const onMessage = (value: Uint8Array) => {
      // One beside a live load, or in its warm-up, has read what it was to read, and the rest is not its business.
      if (stored !== undefined && tally.messages >= this.#each) return
      if (value.byteLength !== messageBytes) throw new Error(`a message has ${value.byteLength} bytes`)
      if (isTimed && this.#latenciesUs.length > 0) this.#time(dueUsOf(value))
      tally.add(slotOf(value))
      this.#meter.add(1)
      this.#progress(1)
      this.#received++
      if (this.isComplete) this.#completed()
    }
    await client.consume({ subscriber, qos, isStored: stored !== undefined, onMessage })
  }

  /** The clock stands at the last message so far. */
  stop(): void {
    this.#meter.stop()
  }

  async close(): Promise<void> {
    for (const client of this.#clients) await client.close()
  }

  /** @param sent  messages that each subscriber should have, warm-up included */
  measured(sent: number): Measured {
    const seen = this.#meter.seen
    const from = this.#latenciesUs.length * WARM_UP_SHARE
    return {
      messages: seen,
      ratePerSec: this.#meter.ratePerSec,
      ...(this.#task.isTimed && { latency: summarize(this.#latenciesUs.subarray(from, seen)) }),
      lost: Math.max(0, this.#lostOf(sent) - this.#lostBefore),
      duplicated: this.#tallies.reduce((sum, tally) => sum + tally.audit(sent).duplicated, 0),
    }
  }

  #lostOf(sent: number): number {
    return this.#tallies.reduce((sum, tally) => sum + tally.audit(sent).lost, 0)
  }

  /** A fixed rate begins when its first message should have been sent, not with the order. */
  #time(dueUs: number): void {
    if (this.#meter.seen === 0) this.#meter.start(BigInt(Math.round(1000 * dueUs)))
    this.#latenciesUs[this.#meter.seen] = nowUs() - dueUs
  }

  #completed(): void {
    this.#meter.stop()
    this.#done()
  }
}

/** Waits until nothing has come for a while; the clock stands at the last message. */
async function silence(intake: Intake, ms: number): Promise<void> {
  let seen = -1
  let changedMs = 0
  for (;;) {
    if (intake.isComplete) return
    if (intake.received !== seen) {
      seen = intake.received
      changedMs = performance.now()
      intake.stop()
    } else if (performance.now() - changedMs > ms) return
    await sleep(LOOK_EVERY_MS)
  }
}
