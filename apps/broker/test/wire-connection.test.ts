import { concatBytes, encodeFrame, PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { ManualScheduler } from './harness/manual-scheduler.js'
import { openBroker } from './harness/memory-broker.js'
import { MemoryClient } from './harness/memory-client.js'
import { batchOf, connectPacket, publishPacket, subscribePacket } from './harness/packets.js'

describe('a connection', () => {
  test('that never completes CONNECT is closed after 10 seconds, also if it sends a byte a second', async () => {
    const scheduler = new ManualScheduler()
    const broker = await openBroker({ scheduler })
    const silent = new MemoryClient(broker)
    const slow = new MemoryClient(broker)
    const frame = encodeFrame(connectPacket())
    for (let second = 0; second < 9; second++) {
      slow.sendBytes(frame.subarray(second, second + 1))
      scheduler.advance(1_000)
    }
    expect(silent.isEnded || slow.isEnded).toBe(false)
    scheduler.advance(2_000)
    expect((await silent.queue.take(PacketType.DISCONNECT)).code).toBe('CONNECT_TIMEOUT')
    expect((await slow.queue.take(PacketType.DISCONNECT)).code).toBe('CONNECT_TIMEOUT')
    expect(silent.isEnded && slow.isEnded).toBe(true)
  })

  test('that is established is not closed by that deadline', async () => {
    const scheduler = new ManualScheduler()
    const broker = await openBroker({ scheduler })
    const client = await MemoryClient.connect(broker)
    scheduler.advance(20_000)
    client.send({ type: PacketType.PINGREQ, requestId: 5 })
    await client.queue.take(PacketType.PINGRESP)
    expect(client.isEnded).toBe(false)
  })

  test('whose output is above 1 MiB gets nothing more and is not read from, and goes on where it was', async () => {
    const broker = await openBroker()
    const consumer = await MemoryClient.connect(broker)
    consumer.isStuck = true
    consumer.send(subscribePacket({ filters: ['big'] }))
    const publisher = await MemoryClient.connect(broker)
    const value = 'x'.repeat(100_000)
    for (let i = 0; i < 60; i++) {
      publisher.send(publishPacket(i + 1, batchOf('big', [`${i} ${value}`])))
      await publisher.queue.take(PacketType.PUBACK)
    }
    expect(consumer.pendingBytes).toBeGreaterThan(1024 * 1024)
    expect(consumer.pendingBytes).toBeLessThan(4 * 1024 * 1024)
    expect(consumer.isPaused).toBe(true)
    consumer.drain()
    expect(consumer.isPaused).toBe(false)
    const messages = await consumer.queue.messages(60)
    expect(messages.map((message) => Number.parseInt(message.value, 10))).toEqual(
      Array.from({ length: 60 }, (_, i) => i),
    )
  })

  test('whose output does not move for 10 seconds is closed as a slow consumer', async () => {
    const scheduler = new ManualScheduler()
    const broker = await openBroker({ scheduler })
    const consumer = await MemoryClient.connect(broker)
    consumer.isStuck = true
    consumer.send(subscribePacket({ filters: ['big'] }))
    const publisher = await MemoryClient.connect(broker)
    for (let i = 0; i < 20; i++) publisher.send(publishPacket(i + 1, batchOf('big', ['x'.repeat(100_000)])))
    for (let i = 0; i < 20; i++) await publisher.queue.take(PacketType.PUBACK)
    scheduler.advance(9_000)
    expect(consumer.isEnded).toBe(false)
    scheduler.advance(2_000)
    expect(consumer.isEnded).toBe(true)
    expect(publisher.isEnded).toBe(false)
  })

  test('that sends faster than the disk syncs is not read from until the disk has caught up', async () => {
    const broker = await openBroker({ unsyncedBytesMax: 1024 * 1024 })
    const publisher = await MemoryClient.connect(broker)
    let sent = 0
    while (!publisher.isPaused && sent < 100) {
      publisher.send(publishPacket(++sent, batchOf('a', ['x'.repeat(100_000)])))
    }
    expect(sent).toBe(11)
    for (let i = 0; i < sent; i++) await publisher.queue.take(PacketType.PUBACK)
    expect(publisher.isPaused).toBe(false)
  })

  test('that sends messages of QoS 0 is not read from while a listener is short of credit, and no longer than 100 ms', async () => {
    const scheduler = new ManualScheduler()
    const broker = await openBroker({ scheduler })
    const listener = await MemoryClient.connect(broker)
    listener.send(subscribePacket({ filters: ['a'], creditMessages: 8 }))
    await listener.queue.take(PacketType.TAIL)
    const publisher = await MemoryClient.connect(broker)
    const publish = () => publisher.send(publishPacket(0, batchOf('a', ['m'], { qos: 0 })))
    for (let i = 0; i < 5; i++) publish()
    expect(publisher.isPaused).toBe(false)
    publish()
    expect(publisher.isPaused).toBe(true)
    listener.send({ type: PacketType.CREDIT, subscriptionId: 1, messages: 6, bytes: 100 })
    expect(publisher.isPaused).toBe(false)
    for (let i = 0; i < 6; i++) publish()
    scheduler.advance(99)
    expect(publisher.isPaused).toBe(true)
    scheduler.advance(1)
    expect(publisher.isPaused).toBe(false)
    publish()
    expect(publisher.isPaused, 'the listener is slow now').toBe(false)
    expect(await listener.queue.messages(13)).toHaveLength(13)
  })

  test('that asks and does not read the answers is not read from', async () => {
    const broker = await openBroker()
    const client = await MemoryClient.connect(broker)
    client.isStuck = true
    const pings = concatBytes(
      Array.from({ length: 1_000 }, () => encodeFrame({ type: PacketType.PINGREQ, requestId: 1 })),
    )
    let rounds = 0
    while (!client.isPaused && rounds < 1_000) {
      client.sendBytes(pings)
      rounds++
    }
    expect(client.isPaused).toBe(true)
    expect(client.pendingBytes).toBeLessThan(1024 * 1024 + 20_000)
  })

  test('whose half a frame is too much beside the halves of others is closed, and the others are not', async () => {
    const broker = await openBroker()
    const half = new Uint8Array(4 * 1024 * 1024)
    half.set([0x00, 0x00, 0x41, 0x00])
    const clients: MemoryClient[] = []
    for (let i = 0; i < 65; i++) {
      const client = await MemoryClient.connect(broker)
      client.sendBytes(half)
      clients.push(client)
    }
    expect(clients.map(({ isEnded }) => isEnded)).toEqual([...Array(64).fill(false), true])
    expect((await clients[64]!.queue.take(PacketType.DISCONNECT)).code).toBe('LIMIT_EXCEEDED')
    for (let i = 0; i < 10; i++) clients[i]!.disconnect()
    const next = await MemoryClient.connect(broker)
    next.sendBytes(half)
    expect(next.isEnded).toBe(false)
  })
})
