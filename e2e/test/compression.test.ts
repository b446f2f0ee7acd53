import { connect, type Message } from '@gomq/client'
import {
  Compression,
  compressionOf,
  DEFLATE_FEATURE,
  DeliveredRecords,
  type DeliverPacket,
  PacketType,
  recordCountOf,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { ONCE_IN_ORDER } from './support/deliveries.js'
import { gomqctl } from './support/gomqctl.js'
import { killUnderLoad } from './support/killed-load.js'
import { NOTHING_WRONG } from './support/ledger.js'
import { RawPeer } from './support/raw-peer.js'

const ROUNDS = process.env['GOMQ_LONG'] ? 100 : 6
const seed = Number(process.env['GOMQ_SEED'] ?? 20_020)

test(`QoS 2 stays exactly once when producers compress, through ${ROUNDS} times kill -9`, async () => {
  const random = new SeededRandom(seed)
  await using broker = await BrokerProcess.start()
  const compressions = ['deflate', 'deflate', 'none'] as const
  const { ledger, deliveries, stored } = await killUnderLoad(broker, { qos: 2, rounds: ROUNDS, compressions, random })
  expect(ledger.audit(stored), `seed ${seed}`).toMatchObject(NOTHING_WRONG)
  expect(deliveries.audit(stored), `seed ${seed}`).toEqual(ONCE_IN_ORDER)
  expect(ledger.count('acked'), 'a run that hardly publishes proves nothing').toBeGreaterThan(ROUNDS * 50)
  const batches = await rawDeliveries(broker, 'load/p0', [DEFLATE_FEATURE])
  expect(batches.length).toBeGreaterThan(0)
  for (const { payload } of batches) expect(compressionOf(payload)).toBe(Compression.DEFLATE)
})

test('clients that compress, that do not, and one that cannot decompress understand each other', async () => {
  await using broker = await BrokerProcess.start()
  await using deflating = await connect(broker.url, { compression: 'deflate', clientId: 'deflating' })
  await using plain = await connect(broker.url, { clientId: 'plain' })
  const subscriptions = await Promise.all(
    [deflating, plain].map((mq) => mq.subscribe(['mixed/#'], { qos: 2, name: 's', prefetch: { messages: 7 } })),
  )
  const values = Array.from({ length: 300 }, (_, id) => ({ id, status: 'paid', note: 'deliver to the front door' }))
  await Promise.all(values.map((value) => deflating.publish('mixed/a', value, { qos: 2, key: `c${value.id}` })))
  await Promise.all(values.map((value) => plain.publish('mixed/b', value, { qos: 2 })))
  for (const subscription of subscriptions) {
    const messages = await take(subscription, 600)
    const of = (topic: string) => messages.filter((message) => message.topic === topic)
    expect(of('mixed/a').map(({ value }) => ({ ...(value as object) }))).toEqual(values)
    expect(of('mixed/b').map(({ value }) => ({ ...(value as object) }))).toEqual(values)
    expect(of('mixed/a').map(({ key }) => key)).toEqual(values.map(({ id }) => `c${id}`))
    await Promise.all(messages.map((message) => message.ack()))
  }

  const asStored = await rawDeliveries(broker, 'mixed/a', [DEFLATE_FEATURE])
  expect(asStored.some(({ payload }) => compressionOf(payload) === Compression.DEFLATE)).toBe(true)
  const inflated = await rawDeliveries(broker, 'mixed/a', [])
  const records = inflated.map(({ payload }) => DeliveredRecords.ofBatch(payload, crc32))
  expect(records.reduce((sum, { count }) => sum + count, 0)).toBe(300)
  expect(records.flatMap((each) => Array.from({ length: each.count }, (_, i) => each.record(i).key))).toEqual(
    values.map(({ id }) => `c${id}`),
  )
  expect(bytesOf(asStored)).toBeLessThan(bytesOf(inflated) / 2)

  const page = await fetch(`${broker.httpUrl}/messages?topic=mixed/a&limit=1000`)
  const { message_list } = (await page.json()) as { message_list: { value: unknown }[] }
  expect(message_list.map(({ value }) => value)).toEqual(values)
})

test('gomqctl --compression deflate publishes compressed, and sub and list show the messages as ever', async () => {
  await using broker = await BrokerProcess.start()
  const lines = Array.from({ length: 200 }, (_, i) => `reading ${i}: everything is as it was`)
  const input = `${lines.join('\n')}\n`
  const args = ['-t', 'ctl', '-q', '2', '--compression', 'deflate', 'pub', '--lines']
  expect(await gomqctl(broker, args, { input })).toMatchObject({ code: 0 })
  const sub = ['-t', 'ctl', 'sub', '--from', 'earliest', '--exit-at-end']
  expect((await gomqctl(broker, sub)).stdout).toBe(input)
  const batches = await rawDeliveries(broker, 'ctl', [DEFLATE_FEATURE])
  expect(bytesOf(batches)).toBeLessThan(input.length / 2)
  expect((await gomqctl(broker, ['-t', 'ctl', 'list'])).stdout).toContain(lines[199])
})

/** Everything stored on a topic, as a client with these features is given it. */
async function rawDeliveries(broker: BrokerProcess, topic: string, features: string[]): Promise<DeliverPacket[]> {
  const peer = await RawPeer.connect(broker.tcp, `raw-${topic}-${features.join('-')}`, features)
  peer.send({
    type: PacketType.SUBSCRIBE,
    requestId: 2,
    subscriptionId: 1,
    filters: [topic],
    qos: 0,
    name: null,
    from: { kind: 'earliest' },
    creditMessages: 10_000_000,
    creditBytes: 1_000_000_000,
    retained: false,
  })
  await peer.until(() => peer.of(PacketType.TAIL).length > 0)
  const deliveries = peer.of<DeliverPacket>(PacketType.DELIVER)
  await peer.destroy()
  expect(deliveries.every(({ header, payload }) => header === null && recordCountOf(payload) > 0)).toBe(true)
  return deliveries
}

function bytesOf(deliveries: readonly DeliverPacket[]): number {
  return deliveries.reduce((sum, { payload }) => sum + payload.byteLength, 0)
}

async function take(subscription: AsyncIterable<Message>, count: number): Promise<Message[]> {
  const messages: Message[] = []
  for await (const message of subscription) {
    messages.push(message)
    if (messages.length === count) break
  }
  return messages
}
