import { connect, type Message } from '@gomq/client'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'

const MESSAGES = 1000

test('a durable subscriber that stops and comes back gets exactly what it had not acknowledged, also after kill -9', async () => {
  await using broker = await BrokerProcess.start()
  await using producer = await connect(broker.url)
  const subscribe = async () => {
    const mq = await connect(broker.url, { clientId: 'worker' })
    return { mq, subscription: await mq.subscribe(['jobs/+'], { qos: 1, name: 'jobs', from: 'earliest' }) }
  }
  const first = await subscribe()
  await Promise.all(
    Array.from({ length: MESSAGES }, (_, i) => producer.publish(`jobs/${i % 7}`, String(i), { qos: 1 })),
  )

  const acknowledged = new Set<string>()
  const acks: Promise<void>[] = []
  for (const message of await take(first.subscription, MESSAGES)) {
    // Every third stays unacknowledged, so that holes lie among what was acknowledged.
    if (Number(message.text) % 3 === 0) continue
    acknowledged.add(message.text)
    acks.push(message.ack())
  }
  await Promise.all(acks)
  await broker.kill()
  await broker.restart()
  await first.mq.close()

  const second = await subscribe()
  const again = await take(second.subscription, MESSAGES - acknowledged.size)
  const expected = Array.from({ length: MESSAGES }, (_, i) => String(i)).filter((text) => !acknowledged.has(text))
  expect(again.map((message) => message.text).sort()).toEqual(expected.sort())

  await Promise.all(again.map((message) => message.ack()))
  await second.mq.close()
  await producer.publish('jobs/last', 'end', { qos: 1 })
  const third = await subscribe()
  expect((await take(third.subscription, 1)).map((message) => message.text)).toEqual(['end'])
  await third.mq.close()
})

async function take(subscription: AsyncIterable<Message>, count: number): Promise<Message[]> {
  const messages: Message[] = []
  for await (const message of subscription) {
    messages.push(message)
    if (messages.length === count) break
  }
  return messages
}
