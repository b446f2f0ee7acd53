import { connect, type Message, type Subscription } from '@gomq/client'
import { SeededRandom } from '@gomq/protocol/testing'
import { Deliveries } from './deliveries.js'
import { delay, type Gate, RECONNECT } from './killed-load.js'
import { type Missed, readMessages } from './read-all.js'

const WINDOW = 200
/** What is to be removed is most of the log, so that the cleaner has something to do. */
const PADDING = '.'.repeat(300)
const KEYS = 100
const TOMBSTONE_SHARE = 0.2
/** On a machine that has much else to do a broker that is killed so often lives for a small part of this. */
const PUBLISHED_WITHIN_MS = 600_000
const RETAINED_WITHIN_MS = 10_000
/** Every so many jobs one is acknowledged late, and holds all behind it. */
const LATE_JOB = 500
const LATE_JOB_MS = 700

/** Publishes one after the other, some of them at once, until it is stopped. */
async function keepPublishing(
  stop: AbortSignal,
  gate: Gate,
  publish: (sequence: number) => Promise<void>,
  pauses: Pauses = new Pauses(),
): Promise<void> {
  const waiting = new Set<Promise<void>>()
  try {
    for (let sequence = 0; !stop.aborted; sequence++) {
      const settled = publish(sequence).finally(() => waiting.delete(settled))
      waiting.add(settled)
      if (waiting.size >= WINDOW) await Promise.race(waiting)
      else if (sequence % 16 === 0) await delay(0)
      if (gate.isClosed) await gate.pass(stop)
      if (pauses.isAsked) await pauses.keep(waiting)
    }
    await Promise.all(waiting)
  } finally {
    pauses.end()
  }
}

/** Lets a publisher stand still while somebody looks at exactly what it has published. */
class Pauses {
  #isStill = false
  #onStill: (() => void) | undefined
  #over: Promise<void> = Promise.resolve()

  get isAsked(): boolean {
    return this.#onStill !== undefined
  }

  /** Runs `work` between two publishes, when all before are settled. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isStill) return work()
    let end = () => {}
    this.#over = new Promise((resolve) => (end = resolve))
    await new Promise<void>((resolve) => (this.#onStill = resolve))
    try {
      return await work()
    } finally {
      end()
    }
  }

  /** The publisher has ended: it stands still for good. */
  end(): void {
    this.#isStill = true
    this.#onStill?.()
  }

  async keep(waiting: ReadonlySet<Promise<void>>): Promise<void> {
    await Promise.all(waiting)
    this.#onStill?.()
    this.#onStill = undefined
    await this.#over
  }
}

/** A publisher to `counts/#`, of which the newest few are kept, and what was acknowledged to it. */
export class CountedTopics {
  readonly #pauses = new Pauses()
  /** Which message has which offset. */
  readonly #acked = new Map<number, number>()

  get acked(): number {
    return this.#acked.size
  }

  async run(url: string, stop: AbortSignal, gate: Gate): Promise<void> {
    await using mq = await connect(url, { clientId: 'counted', reconnect: RECONNECT })
    const publish = async (sequence: number) => {
      const { offset } = await mq.publish(`counts/${sequence % 3}`, `c:${sequence} ${PADDING}`, {
        timeoutMs: PUBLISHED_WITHIN_MS,
      })
      this.#acked.set(offset, sequence)
    }
    await keepPublishing(stop, gate, publish, this.#pauses)
  }

  /** Compares what is stored with what was acknowledged; the publisher stands still meanwhile. */
  async audit(url: string, maxCount: number): Promise<CountedAudit> {
    const missed: Missed[] = []
    const read = () => readMessages(url, 'counts/#', missed)
    const stored = await this.#pauses.during(read)
    const sequences = new Map(
      stored.map(({ offset, text }) => [offset as number, Number(text.slice(2, text.indexOf(' ')))]),
    )
    const first = stored[0]?.offset ?? Number.POSITIVE_INFINITY
    const isLost = (offset: number) => sequences.get(offset) !== this.#acked.get(offset)
    const isMissed = (offset: number) => missed.some(({ from, to }) => from <= offset && offset < to)
    const acked = [...this.#acked.keys()].sort((a, b) => a - b)
    return {
      newestLost: acked.slice(-maxCount).filter(isLost).length,
      lost: acked.filter((offset) => offset >= first && !isMissed(offset) && isLost(offset)).length,
      doubled: stored.length - new Set(sequences.values()).size,
    }
  }
}

/** What went wrong: of the newest that are kept, and of all behind the first that was read but for what the reader was told to have missed. */
interface CountedAudit {
  readonly newestLost: number
  readonly lost: number
  readonly doubled: number
}

/** A publisher to `keys/#`, where the last value of a key is kept, and what it did with each key. */
export class KeyedTopics {
  readonly #random: SeededRandom
  readonly #tombstones = new Map<string, number[]>()
  readonly #lastAcked = new Map<string, number>()
  acked = 0
  published = 0

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
  }

  async run(url: string, stop: AbortSignal, gate: Gate): Promise<void> {
    await using mq = await connect(url, { clientId: 'keyed', reconnect: RECONNECT })
    await keepPublishing(stop, gate, async (sequence) => {
      const key = `k${this.#random.below(KEYS)}`
      const isTombstone = this.#random.chance(TOMBSTONE_SHARE)
      if (isTombstone) this.#tombstones.set(key, [...(this.#tombstones.get(key) ?? []).slice(-20), sequence])
      this.published++
      await mq.publish('keys/all', isTombstone ? '' : `${key} ${PADDING}`, {
        key,
        headers: { n: `${sequence}` },
        timeoutMs: PUBLISHED_WITHIN_MS,
      })
      this.acked++
      this.#lastAcked.set(key, Math.max(sequence, this.#lastAcked.get(key) ?? -1))
    })
  }

  /** What was acknowledged last of each key by now. */
  lastAcked(): ReadonlyMap<string, number> {
    return new Map(this.#lastAcked)
  }

  /** @param lastAcked  as it was before `stored` was read */
  audit(stored: readonly Message[], lastAcked: ReadonlyMap<string, number>): KeyedAudit {
    const last = new Map<string, number>()
    let outOfOrder = 0
    for (const { key, headers } of stored) {
      const sequence = Number(headers?.['n'])
      if (sequence <= (last.get(String(key)) ?? -1)) outOfOrder++
      last.set(String(key), sequence)
    }
    let stale = 0
    let lost = 0
    for (const [key, acked] of lastAcked) {
      const found = last.get(key)
      if (found === undefined && !this.#tombstones.get(key)?.some((sequence) => sequence >= acked)) lost++
      if (found !== undefined && found < acked) stale++
    }
    return { stale, lost, outOfOrder }
  }
}

/** `stale`: the last that is there of a key is older than what was acknowledged; after a tombstone that is a key that came back. */
interface KeyedAudit {
  readonly stale: number
  readonly lost: number
  readonly outOfOrder: number
}

/** A publisher to `jobs/#`, of which what is acknowledged goes, and a durable subscriber that takes its time to acknowledge. */
export class JobTopics {
  readonly deliveries: Deliveries = new Deliveries()
  readonly #stored = new Set<string>()
  readonly #acked = new Set<string>()
  readonly #random: SeededRandom
  missedEvents = 0

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
  }

  get published(): number {
    return this.#stored.size
  }

  /** Subscribes; what it answers publishes until it is stopped, and ends when the subscriber has everything. */
  async subscribe(url: string): Promise<(stop: AbortSignal, gate: Gate) => Promise<void>> {
    const mq = await connect(url, { clientId: 'worker', reconnect: RECONNECT })
    mq.on('missed', () => this.missedEvents++)
    const subscription = await mq.subscribe('jobs/#', { name: 'jobs', from: 'earliest' })
    const working = this.#work(subscription)
    return async (stop, gate) => {
      await this.#publish(url, stop, gate)
      const endMs = Date.now() + 15_000
      while (this.#acked.size < this.#stored.size && Date.now() < endMs) await delay(20)
      await mq.close()
      await working
    }
  }

  /** What is stored and not acknowledged now. */
  pending(): string[] {
    return [...this.#stored].filter((job) => !this.#acked.has(job))
  }

  /** How many of `pending` are gone although they are not acknowledged by now either. */
  lost(stored: readonly string[], pending: readonly string[]): number {
    const there = new Set(stored.map((text) => text.split(' ')[0]!))
    return pending.filter((job) => !this.#acked.has(job) && !there.has(job)).length
  }

  /** Of what was stored, how much the subscriber never got. */
  undelivered(): number {
    return this.deliveries.missing([...this.#stored])
  }

  async #publish(url: string, stop: AbortSignal, gate: Gate): Promise<void> {
    await using mq = await connect(url, { clientId: 'boss', reconnect: RECONNECT })
    await keepPublishing(stop, gate, async (sequence) => {
      await mq.publish('jobs/all', `boss:${sequence} ${PADDING}`, { timeoutMs: PUBLISHED_WITHIN_MS })
      this.#stored.add(`boss:${sequence}`)
    })
  }

  async #work(subscription: Subscription): Promise<void> {
    let count = 0
    for await (const message of subscription) {
      const job = message.text.split(' ')[0]!
      this.deliveries.note(job)
      const laterMs = ++count % LATE_JOB === 0 ? LATE_JOB_MS : this.#random.below(30)
      setTimeout(() => {
        this.#acked.add(job)
        message.ack().catch(() => {})
      }, laterMs)
    }
  }
}

/** Retained messages on `kept/0`, `kept/1`, ..., each replaced from time to time, with others behind them: long below the floor, and kept. */
export class RetainedTopics {
  readonly #count: number
  #times = 0

  constructor(count: number) {
    this.#count = count
  }

  /** What a new subscriber should get, by topic. */
  get texts(): string[] {
    return Array.from({ length: this.#count }, (_, i) => `retained ${i}, ${this.#times} times`)
  }

  /** Replaces each. Settles when all are acknowledged. */
  async publish(url: string): Promise<void> {
    await using mq = await connect(url, { reconnect: RECONNECT })
    this.#times++
    for (const [i, text] of this.texts.entries())
      await mq.publish(`kept/${i}`, text, { retain: true, timeoutMs: PUBLISHED_WITHIN_MS })
    await mq.publishAll('kept/others', ['a', 'b', 'c'])
  }

  /** What a new subscriber gets, by topic; of a topic without a retained message nothing. */
  async received(url: string): Promise<string[]> {
    await using mq = await connect(url)
    const subscription = await mq.subscribe('kept/+')
    const texts: string[] = []
    setTimeout(() => void mq.close(), RETAINED_WITHIN_MS).unref()
    for await (const { text } of subscription) if (texts.push(text) === this.#count) break
    const place = (text: string) => Number.parseInt(text.slice('retained '.length), 10)
    return texts.sort((a, b) => place(a) - place(b))
  }
}
