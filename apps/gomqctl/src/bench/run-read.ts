import { type GomqClient, GomqError, type Subscription } from '@gomq/client'
import type { ReadPlan } from './bench-plan.js'
import { Meter } from './meter.js'
import type { BenchContext } from './run-load.js'
import { settlesWithin } from './within.js'

/** Milliseconds that the end waits for the broker to hear of it. */
const CLOSE_TIMEOUT_MS = 2000

/** What came of a bench that only reads. */
export interface ReadOutcome {
  readonly readers: readonly Reader[]
  readonly broker: GomqClient['broker']
  readonly isInterrupted: boolean
  /** Why it ended early. */
  readonly failure: GomqError | undefined
}

/**
 * Reads as fast as messages come, until what the plan says has been read, or a signal.
 * @throws GomqError  no connection or subscription came about
 */
export async function runRead(plan: ReadPlan, context: BenchContext): Promise<ReadOutcome> {
  const { clients, interruption, now } = context
  const isLive = plan.from === 'new'
  const opened = await Promise.all(
    Array.from({ length: plan.consumers }, async () => {
      const mq = await clients.open()
      const startMs = now()
      const subscription = await mq.subscribe(plan.filters, {
        qos: plan.qos,
        from: plan.from,
        retained: false,
        untilEnd: !isLive,
      })
      return { mq, subscription, reader: new Reader(plan, startMs, now) }
    }),
  )
  const readers = opened.map(({ reader }) => reader)
  const close = () => opened.map(({ subscription }) => settlesWithin(subscription.close(), CLOSE_TIMEOUT_MS))
  void interruption.signalled.then(close)
  const startMs = now()
  const timer = plan.durationMs === undefined ? undefined : setTimeout(close, plan.durationMs)
  let failure: GomqError | undefined
  {
    const total = plan.messages === undefined ? plan.durationMs : plan.messages * plan.consumers
    using _monitor = context.watch(() => {
      const received = readers.reduce((sum, each) => sum + each.messages, 0)
      const isTimed = plan.messages === undefined && plan.durationMs !== undefined
      return { done: isTimed ? now() - startMs : received, total, counts: { received } }
    })
    try {
      await Promise.all(opened.map(({ reader, subscription }) => reader.read(subscription)))
    } catch (error) {
      failure = GomqError.from(error)
    }
  }
  clearTimeout(timer)
  await Promise.all(close())
  return {
    readers,
    broker: opened[0]?.mq.broker,
    isInterrupted: interruption.exitCode !== undefined,
    failure,
  }
}

/**
 * Counts what one subscription gets. A stored topic is measured from the subscription on; a live one from its first message, which starts the
 * clock and is not counted; after a warm-up, from its last message.
 */
export class Reader {
  /** Messages beyond the warm-up. */
  readonly received: Meter = new Meter()
  /** Messages that came, those of the warm-up too. */
  messages = 0
  readonly #messagesMax: number
  readonly #warmupMessages: number
  readonly #warmupEndMs: number
  readonly #now: () => number
  /** When the clock started, as far as is known. */
  #clockMs: number

  constructor(
    plan: Pick<ReadPlan, 'from' | 'messages' | 'durationMs' | 'warmupShare'>,
    startMs: number,
    now: () => number,
  ) {
    const { from, messages, durationMs, warmupShare } = plan
    this.#now = now
    this.#messagesMax = messages ?? Number.POSITIVE_INFINITY
    this.#warmupMessages = Math.max(from === 'new' ? 1 : 0, Math.floor((messages ?? 0) * warmupShare))
    this.#warmupEndMs = startMs + (messages === undefined ? (durationMs ?? 0) * warmupShare : 0)
    this.#clockMs = this.#warmupEndMs
  }

  /**
   * Takes the messages of a subscription until it ends or has given enough.
   * @throws GomqError  why the subscription ended
   */
  async read(subscription: Pick<Subscription, 'next'>): Promise<void> {
    while (this.messages < this.#messagesMax) {
      const { done, value } = await subscription.next()
      if (done === true) return
      this.handle(value.bytes.byteLength)
    }
  }

  /** Counts a message. */
  handle(bytes: number): void {
    const nowMs = this.#now()
    this.messages++
    if (this.messages <= this.#warmupMessages || nowMs < this.#warmupEndMs) {
      this.#clockMs = Math.max(this.#clockMs, nowMs)
      return
    }
    this.received.begin(this.#clockMs)
    this.received.count(bytes, nowMs)
  }
}
