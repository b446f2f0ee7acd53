import { connect } from '@gomq/client'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'

const UNREAD = 1_000_000
/** Messages after which every cache of the broker is full. */
const WARM_UP = 300_000
const VALUE_BYTES = 500
const VALUE = new Uint8Array(VALUE_BYTES).fill(120)

test('a consumer that does not read costs the broker a cursor: 1,000,000 unread messages leave its memory bounded and others served', async () => {
  await using broker = await BrokerProcess.start()
  await using stuck = await connect(broker.url, { clientId: 'stuck' })
  // Nobody iterates it: its credit runs out and stays out.
  await stuck.subscribe(['feed'], { qos: 1, name: 'stuck' })
  await using swift = await connect(broker.url, { clientId: 'swift' })
  const subscription = await swift.subscribe(['feed'], { qos: 1, ack: 'auto' })
  let received = 0
  const reading = (async () => {
    for await (const _message of subscription) if (++received === UNREAD) break
  })()

  await using producer = await connect(broker.url)
  await publish(producer, WARM_UP)
  const rssEarlyMiB = broker.rssMiB
  await publish(producer, UNREAD - WARM_UP)
  await reading
  const growthMiB = broker.rssMiB - rssEarlyMiB
  console.log(
    `slow consumer: ${UNREAD} unread; broker ${rssEarlyMiB.toFixed(0)} MiB after ${WARM_UP}, ${growthMiB.toFixed(0)} MiB more at the end`,
  )
  expect(received).toBe(UNREAD)
  // What the collector leaves lying about comes and goes by tens of MiB; a queue of the unread would take a third of a GiB.
  expect(growthMiB).toBeLessThan((0.3 * (UNREAD - WARM_UP) * VALUE_BYTES) / 2 ** 20)
})

async function publish(producer: Awaited<ReturnType<typeof connect>>, count: number): Promise<void> {
  const acks: Promise<unknown>[] = []
  for (let i = 0; i < count; i++) {
    acks.push(producer.publish('feed', VALUE, { qos: 1 }))
    if (acks.length === 10_000) await Promise.all(acks.splice(0))
  }
  await Promise.all(acks)
}

test('a consumer that does not read loses messages of QoS 0, and holds up neither their publisher nor who reads', async () => {
  await using broker = await BrokerProcess.start()
  await using stuck = await connect(broker.url)
  await stuck.subscribe('feed', { qos: 0, prefetch: { messages: 10 } })
  await using swift = await connect(broker.url)
  const subscription = await swift.subscribe('feed', { qos: 1 })
  await using producer = await connect(broker.url)
  for (let i = 0; i < 1_000; i++) await producer.publish('feed', `${i}`, { qos: 0 })
  await producer.publish('feed', 'last', { qos: 1 })
  for await (const message of subscription) if (message.text === 'last') break
})

test('a client that listens is told how far its subscription is behind, and of the moment when it is not any more', async () => {
  await using broker = await BrokerProcess.start()
  await using mq = await connect(broker.url)
  const lags: number[] = []
  mq.on('lag', ({ lagRecords }) => lags.push(lagRecords))
  const subscription = await mq.subscribe('load', { prefetch: { messages: 10 } })
  await Promise.all(Array.from({ length: 500 }, (_, i) => mq.publish('load', String(i), { qos: 1 })))
  await expect.poll(() => lags.at(-1), { timeout: 10_000 }).toBe(500)
  for (let i = 0; i < 500; i++) await subscription.next()
  await expect.poll(() => lags.at(-1), { timeout: 10_000 }).toBe(0)
})
