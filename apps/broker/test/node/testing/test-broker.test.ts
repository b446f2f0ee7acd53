import { PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { startTestBroker } from '../../../src/node/testing/index.js'
import { batchOf, publishPacket, subscribePacket } from '../../harness/packets.js'
import { TcpClient } from '../../harness/tcp-client.js'

function portOf(url: string): number {
  return Number(new URL(url).port)
}

describe.each(['memory', 'disk'] as const)('a test broker with its store in %s', (store) => {
  test('keeps what it acknowledged, and its port, over a crash', async () => {
    await using broker = await startTestBroker({ store })
    const { url } = broker
    const publisher = await TcpClient.connect(portOf(url))
    for (let i = 0; i < 30; i++) publisher.send(publishPacket(i + 1, batchOf('a', [`v${i}`])))
    for (let i = 0; i < 30; i++) await publisher.queue.take(PacketType.PUBACK)
    await broker.crash()
    await publisher.queue.closed()
    await broker.start()
    expect(broker.url).toBe(url)
    const consumer = await TcpClient.connect(portOf(url))
    consumer.send(subscribePacket({ filters: ['a'] }))
    const messages = await consumer.queue.messages(30)
    expect(messages.map(({ value }) => value)).toEqual(Array.from({ length: 30 }, (_, i) => `v${i}`))
    consumer.close()
  })

  test('stops in order and starts again', async () => {
    await using broker = await startTestBroker({ store })
    const client = await TcpClient.connect(portOf(broker.url))
    await broker.stop()
    expect(broker.isRunning).toBe(false)
    expect((await client.queue.take(PacketType.DISCONNECT)).code).toBe('SHUTTING_DOWN')
    await broker.stop()
    await broker.start()
    await broker.start()
    const again = await TcpClient.connect(portOf(broker.url))
    again.close()
  })
})

test('dropping connections cuts clients and lets them come again', async () => {
  await using broker = await startTestBroker()
  const client = await TcpClient.connect(portOf(broker.url))
  broker.dropConnections()
  await client.queue.closed()
  const again = await TcpClient.connect(portOf(broker.url))
  again.close()
})

test('refused publishes are told why, store nothing, and are taken again afterwards', async () => {
  await using broker = await startTestBroker()
  const client = await TcpClient.connect(portOf(broker.url))
  broker.refusePublishes('DISK_FULL')
  client.send(publishPacket(1, batchOf('a', ['no'])))
  expect(await client.queue.take(PacketType.ERROR)).toMatchObject({ requestId: 1, code: 'DISK_FULL' })
  broker.acceptPublishes()
  client.send(publishPacket(2, batchOf('a', ['yes'])))
  await client.queue.take(PacketType.PUBACK)
  client.send(subscribePacket({ filters: ['a'] }))
  expect((await client.queue.messages(1)).map(({ value }) => value)).toEqual(['yes'])
  client.close()
})

test('a broker in memory is up in a moment', async () => {
  await using warmUp = await startTestBroker()
  await warmUp.stop()
  const startedMs = performance.now()
  await using broker = await startTestBroker()
  // Under 100 ms on a quiet machine; the bound is for a busy one.
  expect(performance.now() - startedMs).toBeLessThan(1_000)
  expect(broker.isRunning).toBe(true)
})

test('HTTP is served on request, and options are those of the broker', async () => {
  await using broker = await startTestBroker({ http: true, options: { 'message-bytes-max': '10' } })
  const answer = await fetch(`${broker.httpUrl}/pub`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ topic: 'a', body: 'more than ten bytes' }),
  })
  expect(answer.status).toBe(413)
  await expect(startTestBroker({ options: { nonsense: '1' } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})
