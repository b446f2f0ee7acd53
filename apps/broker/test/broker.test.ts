import { PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import type { Broker } from '../src/broker.js'
import { memoryDisk, openBroker } from './harness/memory-broker.js'
import { MemoryClient } from './harness/memory-client.js'
import { batchOf, publishPacket, subscribePacket } from './harness/packets.js'

async function publishAll(broker: Broker, topic: string, values: string[]): Promise<void> {
  const client = await MemoryClient.connect(broker)
  values.forEach((value, i) => {
    client.send(publishPacket(i + 1, batchOf(topic, [value])))
  })
  for (const _ of values) await client.queue.take(PacketType.PUBACK)
  client.disconnect()
}

async function readAll(broker: Broker, filter: string, count: number): Promise<string[]> {
  const client = await MemoryClient.connect(broker)
  client.send(subscribePacket({ filters: [filter] }))
  const messages = await client.queue.messages(count)
  client.disconnect()
  return messages.map(({ value }) => value)
}

describe('a broker on its log', () => {
  test('what is published live reaches a subscriber in order, once', async () => {
    const broker = await openBroker()
    const consumer = await MemoryClient.connect(broker)
    consumer.send(subscribePacket({ filters: ['a/+'], from: { kind: 'new' } }))
    await consumer.queue.take(PacketType.TAIL)
    const values = Array.from({ length: 50 }, (_, i) => `${i}`)
    await publishAll(broker, 'a/b', values)
    expect((await consumer.queue.messages(50)).map(({ value }) => value)).toEqual(values)
    expect(consumer.queue.packets.filter(({ type }) => type === PacketType.DELIVER)).toEqual([])
  })

  test('what was acknowledged is read back after a stop and a start', async () => {
    const disk = memoryDisk()
    const first = await openBroker({ disk })
    await publishAll(first, 'a', ['x', 'y', 'z'])
    await first.shutdown()
    expect(first.state).toBe('stopped')
    const second = await openBroker({ disk })
    expect(await readAll(second, 'a', 3)).toEqual(['x', 'y', 'z'])
    await publishAll(second, 'a', ['w'])
    expect(await readAll(second, 'a', 4)).toEqual(['x', 'y', 'z', 'w'])
  })

  test('what was acknowledged is read back after the power failed', async () => {
    const disk = memoryDisk()
    const values = Array.from({ length: 40 }, (_, i) => `${i}`)
    const first = await openBroker({ disk, onFailure: () => undefined })
    await publishAll(first, 'a', values)
    disk.crash()
    const second = await openBroker({ disk })
    expect((await readAll(second, 'a', 40)).slice(0, 40)).toEqual(values)
  })

  test('each start begins a new epoch', async () => {
    const disk = memoryDisk()
    const epochs: number[] = []
    for (let start = 0; start < 3; start++) {
      const broker = await openBroker({ disk })
      const client = await MemoryClient.connect(broker)
      client.send(publishPacket(1, batchOf('a', ['x'])))
      epochs.push((await client.queue.take(PacketType.PUBACK)).epoch)
      await broker.shutdown()
    }
    expect(epochs).toEqual([1, 2, 3])
  })

  test('a wildcard over thousands of retained messages gets them all, over several turns and after a snapshot', async () => {
    const disk = memoryDisk()
    const first = await openBroker({ disk })
    const publisher = await MemoryClient.connect(first)
    const topics = Array.from({ length: 5000 }, (_, i) => `t/${i % 50}/${i}`)
    const padding = 'x'.repeat(1000)
    topics.forEach((topic, i) => {
      publisher.send(publishPacket(i + 1, batchOf(topic, [`${i} ${padding}`], { retain: true })))
    })
    for (const _ of topics) await publisher.queue.take(PacketType.PUBACK)
    publisher.disconnect()
    await first.shutdown()
    const second = await openBroker({ disk })
    const consumer = await MemoryClient.connect(second)
    consumer.send(subscribePacket({ filters: ['t/#'], from: { kind: 'new' }, retained: true }))
    const messages = await consumer.queue.messages(topics.length)
    expect(messages.map(({ value }) => Number.parseInt(value, 10))).toEqual(topics.map((_, i) => i))
    await second.shutdown()
  })

  test('a durable subscription goes on behind what it had acknowledged, over a restart and a snapshot', async () => {
    const disk = memoryDisk()
    const first = await openBroker({ disk, snapshotIntervalBytes: 64 * 1024 })
    const consumer = await MemoryClient.connect(first, 'svc')
    consumer.send(subscribePacket({ filters: ['a'], name: 'mine' }))
    await consumer.queue.take(PacketType.SUBACK)
    await publishAll(
      first,
      'a',
      Array.from({ length: 100 }, (_, i) => `${i} ${'x'.repeat(2_000)}`),
    )
    const messages = await consumer.queue.messages(100)
    const upTo = messages[59]!.offset + 1
    consumer.send({ type: PacketType.ACK, requestId: 9, subscriptionId: 1, ranges: [messages[0]!.offset, upTo] })
    await consumer.queue.take(PacketType.ACKED)
    await first.shutdown()
    const second = await openBroker({ disk })
    const again = await MemoryClient.connect(second, 'svc')
    again.send(subscribePacket({ filters: ['a'], name: 'mine' }))
    expect((await again.queue.take(PacketType.SUBACK)).resumed).toBe(true)
    const rest = await again.queue.messages(40)
    expect(rest.map(({ value }) => Number.parseInt(value, 10))).toEqual(Array.from({ length: 40 }, (_, i) => i + 60))
  })

  test('brokers that crash before they have written enough for a snapshot do not replay more at each start', async () => {
    const disk = memoryDisk()
    const first = await openBroker({ disk, onFailure: () => undefined })
    await publishAll(
      first,
      'a',
      Array.from({ length: 30 }, () => 'x'.repeat(2_000)),
    )
    disk.crash()
    await openBroker({ disk, snapshotIntervalBytes: 100 * 1024, onFailure: () => undefined })
    expect(await disk.mount().list('data/snapshots')).toEqual([])
    disk.crash()
    await openBroker({ disk, snapshotIntervalBytes: 50 * 1024 })
    await expect.poll(() => disk.mount().list('data/snapshots')).toHaveLength(1)
  })

  test('a failed sync acknowledges nothing, closes every connection and ends the broker', async () => {
    const disk = memoryDisk()
    const failures: Error[] = []
    const broker = await openBroker({ disk, onFailure: (error) => failures.push(error) })
    const client = await MemoryClient.connect(broker)
    client.send(publishPacket(1, batchOf('a', ['kept'])))
    await client.queue.take(PacketType.PUBACK)
    disk.faults.syncsUntilError = 0
    client.send(publishPacket(2, batchOf('a', ['lost'])))
    expect((await client.queue.take(PacketType.DISCONNECT)).code).toBe('STORAGE_FAILED')
    await client.queue.closed()
    expect(client.queue.packets).toEqual([])
    expect(broker.state).toBe('failed')
    expect(failures).toHaveLength(1)
    await expect(broker.door.publish(batchOf('a', ['x']))).rejects.toThrow()
  })

  test('after a shutdown nobody is served any more', async () => {
    const broker = await openBroker()
    const client = await MemoryClient.connect(broker)
    await broker.shutdown()
    expect((await client.queue.take(PacketType.DISCONNECT)).code).toBe('SHUTTING_DOWN')
    await client.queue.closed()
    await expect(broker.door.publish(batchOf('a', ['x']))).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  })
})
