import { connect } from '@gomq/client'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'

const UNREAD = 1_000_000
const VALUE = new Uint8Array(100).fill(120)

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
  await publish(producer, 50_000)
  const rssEarlyMiB = broker.rssMiB
  await publish(producer, UNREAD - 50_000)
  await reading
  const growthMiB = broker.rssMiB - rssEarlyMiB
  console.log(
    `slow consumer: ${UNREAD} unread; broker ${rssEarlyMiB.toFixed(0)} MiB after 50,000, ${growthMiB.toFixed(0)} MiB more at the end`,
  )
  expect(received).toBe(UNREAD)
  // 100 bytes and their framing: a queue of them would take more than 120 MiB.
  expect(growthMiB).toBeLessThan(100)
})

async function publish(producer: Awaited<ReturnType<typeof connect>>, count: number): Promise<void> {
  const acks: Promise<unknown>[] = []
  for (let i = 0; i < count; i++) {
    acks.push(producer.publish('feed', VALUE, { qos: 1 }))
    if (acks.length === 10_000) await Promise.all(acks.splice(0))
  }
  await Promise.all(acks)
}
