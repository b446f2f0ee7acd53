import { connect, type GomqClient } from '@gomq/client'
import { PacketType } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { Deliveries, ONCE_IN_ORDER } from './support/deliveries.js'
import { type Cut, FrameProxy } from './support/frame-proxy.js'
import { delay, fateOf } from './support/killed-load.js'
import { Ledger, NOTHING_WRONG } from './support/ledger.js'
import { readAll } from './support/read-all.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const seed = Number(process.env['GOMQ_SEED'] ?? 52_009)
/** A long campaign may be run in parts, each with a seed of its own. */
const longRepeats = Number(process.env['GOMQ_REPEATS'] ?? 100)
const TOPICS = 2
const RECONNECT = { minMs: 1, maxMs: 20 }
const SETTLED_WITHIN_MS = 30_000

/** Packets around which a connection is cut. Those of the handshake come after the connection was dropped. */
const PACKETS: readonly {
  side: 'publisher' | 'consumer'
  name: keyof typeof PacketType
  nth: number
  drop: boolean
}[] = [
  { side: 'publisher', name: 'PUBLISH', nth: 1, drop: false },
  { side: 'publisher', name: 'PUBLISH', nth: 3, drop: false },
  { side: 'publisher', name: 'PUBACK', nth: 1, drop: false },
  { side: 'publisher', name: 'PUBACK', nth: 3, drop: false },
  { side: 'publisher', name: 'CONNECT', nth: 1, drop: true },
  { side: 'publisher', name: 'CONNACK', nth: 1, drop: true },
  { side: 'consumer', name: 'DELIVER', nth: 2, drop: false },
  { side: 'consumer', name: 'ACK', nth: 1, drop: false },
  { side: 'consumer', name: 'ACKED', nth: 1, drop: false },
  { side: 'consumer', name: 'CREDIT', nth: 1, drop: false },
  { side: 'consumer', name: 'SUBSCRIBE', nth: 1, drop: true },
  { side: 'consumer', name: 'SUBACK', nth: 1, drop: true },
]
const POINTS = PACKETS.flatMap((packet) =>
  (['before', 'after'] as const).map((when): Cut & (typeof PACKETS)[number] => ({
    ...packet,
    when,
    type: PacketType[packet.name],
  })),
)

test.each([
  ['alone', isLong ? longRepeats : 3, POINTS.length, false],
  ['with kill -9 of the broker', isLong ? longRepeats : 1, isLong ? POINTS.length : 8, true],
] as const)(
  'a QoS 2 message comes once and in order wherever a connection is cut, %s: %i times at %i points',
  async (_, repeats, points, isKilled) => {
    const random = new SeededRandom(seed)
    const cuts = POINTS.toSorted(() => random.next() - 0.5).slice(0, points)
    await using broker = await BrokerProcess.start()
    await using publisherProxy = await FrameProxy.start(() => broker.tcp)
    await using consumerProxy = await FrameProxy.start(() => broker.tcp)
    const publisher = await connect(publisherProxy.url, { clientId: 'publisher', reconnect: RECONNECT })
    const consumer = await connect(consumerProxy.url, { clientId: 'consumer', reconnect: RECONNECT })
    const deliveries = new Deliveries()
    const consuming = consume(consumer, deliveries)
    const load = new Load(publisher)

    const startedMs = Date.now()
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const point of cuts) {
        const where = `${point.when} ${point.side}'s ${point.name} ${point.nth}, repeat ${repeat}, seed ${seed}`
        const proxy = point.side === 'publisher' ? publisherProxy : consumerProxy
        let isCut = false
        const cut = proxy.cutAt(point).then(async () => {
          isCut = true
          if (!isKilled) return
          // At once, or after what was forwarded last has been worked on.
          if (random.chance(0.5)) await delay(random.below(10))
          await broker.kill()
          await broker.restart()
        })
        if (point.drop) proxy.drop()
        await until(() => {
          load.publishSome()
          return isCut
        }, `nothing was cut ${where}`)
        load.publishSome()
        await cut
        await until(() => load.waiting === 0, `publishes wait after the cut ${where}`)
        await until(() => deliveries.count >= load.count, `a message is missing after the cut ${where}`)
        expect({ doubled: deliveries.doubled, outOfOrder: deliveries.outOfOrder }, where).toEqual({
          doubled: 0,
          outOfOrder: 0,
        })
      }
    }
    const tookMs = Date.now() - startedMs
    await publisher.close()
    await consumer.close()
    await consuming
    const stored = await readAll(broker.url, 'cut/#')
    const audit = load.ledger.audit(stored)
    const delivered = deliveries.audit(stored)
    console.log(
      `cut points, QoS 2${isKilled ? ', kill -9' : ''} (seed ${seed}): ${cuts.length} points x ${repeats}, ${load.ledger.count('acked')} of ${load.count} acked; ` +
        `stored ${audit.stored}, lost ${audit.lost}, doubled ${audit.duplicated}, out of order ${audit.outOfOrder}; ` +
        `consumer: ${delivered.missed} missed, ${delivered.doubled} doubled, ${delivered.outOfOrder} out of order; ${tookMs} ms`,
    )
    expect(load.ledger.count('acked')).toBe(load.count)
    expect(audit, `seed ${seed}`).toMatchObject({ ...NOTHING_WRONG, stored: load.count })
    expect(delivered, `seed ${seed}`).toEqual(ONCE_IN_ORDER)
  },
  3_600_000,
)

/** Numbered QoS 2 messages to several topics, so that several batches are under way. */
class Load {
  readonly ledger = new Ledger()
  /** Published so far. */
  count = 0
  /** Publishes that have not settled. */
  waiting = 0
  readonly #mq: GomqClient
  #next = 0

  constructor(mq: GomqClient) {
    this.#mq = mq
  }

  publishSome(): void {
    const sequence = this.#next++
    for (let topic = 0; topic < TOPICS; topic++) {
      const producer = `t${topic}`
      this.count++
      this.waiting++
      this.#mq
        .publish(`cut/${producer}`, `${producer}:${sequence}`, { qos: 2, timeoutMs: 120_000 })
        .then(() => this.ledger.settle(producer, sequence, 'acked'))
        .catch((error: unknown) => this.ledger.settle(producer, sequence, fateOf(error)))
        .finally(() => this.waiting--)
    }
  }
}

async function consume(mq: GomqClient, deliveries: Deliveries): Promise<void> {
  // Little credit, so that it is given back often.
  const subscription = await mq.subscribe('cut/#', { qos: 2, name: 'cut', from: 'earliest', prefetch: { messages: 8 } })
  for await (const message of subscription) {
    deliveries.note(message.text)
    message.ack().catch(() => {})
  }
}

async function until(condition: () => boolean, message: string): Promise<void> {
  for (const deadlineMs = Date.now() + SETTLED_WITHIN_MS; !condition(); await delay(1))
    if (Date.now() > deadlineMs) throw new Error(message)
}
