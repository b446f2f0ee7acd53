import { type Offset, PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import type { Broker } from '../src/broker.js'
import { MemoryClient } from './harness/memory-client.js'
import { type MemoryReplication, openMember } from './harness/memory-replication.js'
import { batchOf, publishPacket, subscribePacket } from './harness/packets.js'

/** Two brokers of a cluster, of which the first leads and serves. */
async function openPair() {
  const a = await openMember('a')
  const b = await openMember('b')
  b.replication.follow(a.replication)
  await lead(a, 1)
  return { a, b }
}

async function lead(member: { broker: Broker; replication: MemoryReplication }, epoch: number): Promise<void> {
  member.replication.lead(epoch)
  await expect.poll(() => member.broker.state).toBe('serving')
}

async function publish(client: MemoryClient, requestId: number, batch: Uint8Array) {
  client.send(publishPacket(requestId, batch))
  return client.queue.take(PacketType.PUBACK)
}

/** What a client has got so far, when everything that was to be sent has been. */
async function received(client: MemoryClient): Promise<string[]> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
  return client.queue.packets.map(({ type }) => Object.entries(PacketType).find(([, value]) => value === type)![0])
}

describe('a broker in a cluster', () => {
  test('hands sessions, cursors, retained messages and the dedupe window to the next leader, and takes them back', async () => {
    const { a, b } = await openPair()
    const producer = await MemoryClient.connect(a.broker, 'p')
    const consumer = await MemoryClient.connect(a.broker, 'c')
    consumer.send(subscribePacket({ name: 's', filters: ['t'] }))
    await consumer.queue.take(PacketType.SUBACK)
    const first = await publish(producer, 1, batchOf('t', ['m0', 'm1'], { producerId: 7, firstSequence: 0 }))
    expect(first.durability).toBe('replicated')
    await publish(producer, 2, batchOf('r', ['kept'], { retain: true }))
    await consumer.queue.messages(2)
    const { baseOffset } = first
    consumer.send({ type: PacketType.ACK, requestId: 9, subscriptionId: 1, ranges: [baseOffset, baseOffset + 1] })
    await consumer.queue.take(PacketType.ACKED)
    await b.replication.copyFrom(a.replication)
    expect(a.replication.entries).not.toEqual([])
    expect(b.replication.entries).toEqual(a.replication.entries)

    a.replication.follow(b.replication)
    expect(await producer.queue.take(PacketType.DISCONNECT)).toMatchObject({ code: 'NOT_LEADER', leader: 'b:9000' })
    await lead(b, 2)
    const again = await MemoryClient.connect(b.broker, 'p')
    const resent = await publish(again, 1, batchOf('t', ['m0', 'm1'], { producerId: 7, firstSequence: 0 }))
    expect(resent.baseOffset).toBe(baseOffset)
    const back = await MemoryClient.connect(b.broker, 'c')
    back.send(subscribePacket({ name: 's', filters: ['t'] }))
    expect((await back.queue.take(PacketType.SUBACK)).resumed).toBe(true)
    expect((await back.queue.messages(1)).map(({ value }) => value)).toEqual(['m1'])
    await publish(again, 2, batchOf('t', ['m2'], { producerId: 7, firstSequence: 2 }))

    await a.replication.copyFrom(b.replication)
    expect(a.replication.entries).toEqual(b.replication.entries)
    b.replication.follow(a.replication)
    await lead(a, 3)
    const third = await MemoryClient.connect(a.broker, 'p')
    await publish(third, 3, batchOf('t', ['m3'], { producerId: 7, firstSequence: 3 }))
    const reader = await MemoryClient.connect(a.broker)
    reader.send(subscribePacket({ filters: ['t'] }))
    expect((await reader.queue.messages(4)).map(({ value }) => value)).toEqual(['m0', 'm1', 'm2', 'm3'])
  })

  test('acknowledges and delivers nothing that has not committed, and forgets it when it is cut', async () => {
    const { a, b } = await openPair()
    const consumer = await MemoryClient.connect(a.broker)
    consumer.send(subscribePacket({ from: { kind: 'new' } }))
    await consumer.queue.take(PacketType.SUBACK)
    await consumer.queue.take(PacketType.TAIL)
    const producer = await MemoryClient.connect(a.broker)
    await b.replication.copyFrom(a.replication)
    a.replication.commitsAtOnce = false
    const cut = a.replication.log.logEndOffset
    producer.send(publishPacket(1, batchOf('t', ['lost'], { producerId: 7, firstSequence: 0 })))
    await expect.poll(() => a.replication.log.syncedOffset).toBeGreaterThan(cut)
    expect(await received(producer)).toEqual([])
    expect(await received(consumer)).toEqual([])

    a.replication.follow(b.replication)
    expect(await received(producer)).toEqual(['DISCONNECT'])
    expect(await received(consumer)).toEqual(['DISCONNECT'])
    await lead(b, 2)
    await a.replication.truncate(cut)
    const again = await MemoryClient.connect(b.broker)
    const { baseOffset } = await publish(again, 1, batchOf('t', ['lost'], { producerId: 7, firstSequence: 0 }))
    await a.replication.copyFrom(b.replication)
    expect(a.replication.entries).toEqual(b.replication.entries)
    a.replication.commitsAtOnce = true
    b.replication.follow(a.replication)
    await lead(a, 3)
    const third = await MemoryClient.connect(a.broker)
    const resent = await publish(third, 1, batchOf('t', ['lost'], { producerId: 7, firstSequence: 0 }))
    expect(resent.baseOffset).toBe(baseOffset)
  })

  test('lets clients in when its first record has committed, and not before', async () => {
    const { broker, replication } = await openMember('a')
    replication.commitsAtOnce = false
    replication.lead(1)
    await expect.poll(() => replication.log.syncedOffset).toBeGreaterThan(0)
    const early = new MemoryClient(broker)
    expect(await early.queue.take(PacketType.DISCONNECT)).toMatchObject({ code: 'NO_LEADER', leader: null })
    expect([broker.state, replication.entries]).toEqual(['recovering', []])
    replication.commit(replication.log.syncedOffset)
    await expect.poll(() => broker.state).toBe('serving')
    await MemoryClient.connect(broker)
  })

  test('that loses leadership on the way to it follows with what has committed, and can lead later', async () => {
    const { a, b } = await openPair()
    const producer = await MemoryClient.connect(a.broker)
    await b.replication.copyFrom(a.replication)
    const committed = b.replication.entries
    a.replication.commitsAtOnce = false
    producer.send(publishPacket(1, batchOf('t', ['x'], { producerId: 7, firstSequence: 0 })))
    await expect.poll(() => a.replication.log.syncedOffset).toBe(b.replication.log.logEndOffset + 1)
    await b.replication.copyFrom(a.replication)
    b.replication.commitsAtOnce = false
    b.replication.lead(2)
    b.replication.follow(a.replication)
    await expect.poll(() => b.broker.state).toBe('following')
    expect(b.replication.entries).toEqual(committed)
    b.replication.commitsAtOnce = true
    await lead(b, 3)
    expect(b.broker.stats).toMatchObject({ producers: 1, epoch: 3, elections: 2 })
  })

  test('while its lease does not stand sends nothing and takes nothing, keeps its clients, and then goes on', async () => {
    const { a } = await openPair()
    const consumer = await MemoryClient.connect(a.broker)
    consumer.send(subscribePacket({ from: { kind: 'new' } }))
    await consumer.queue.take(PacketType.SUBACK)
    await consumer.queue.take(PacketType.TAIL)
    const producer = await MemoryClient.connect(a.broker)
    const end = a.replication.log.logEndOffset
    a.replication.suspend(true)
    expect([a.broker.state, producer.isPaused]).toEqual(['suspended', true])
    producer.send(publishPacket(1, batchOf('t', ['x'])), publishPacket(0, batchOf('t', ['live'], { qos: 0 })))
    expect(await received(producer)).toEqual([])
    expect(await received(consumer)).toEqual([])
    expect(a.replication.log.logEndOffset).toBe(end)
    const late = new MemoryClient(a.broker)
    expect((await late.queue.take(PacketType.DISCONNECT)).code).toBe('NO_LEADER')
    expect(() => a.broker.door).toThrow(/cannot reach etcd/)
    a.replication.suspend(false)
    await producer.queue.take(PacketType.PUBACK)
    expect((await consumer.queue.messages(2)).map(({ value }) => value)).toEqual(['live', 'x'])
    expect(producer.isPaused).toBe(false)
  })

  test('acknowledges and delivers nothing when the lease has run out before anybody has said so', async () => {
    const { a } = await openPair()
    const consumer = await MemoryClient.connect(a.broker)
    consumer.send(subscribePacket({ from: { kind: 'new' } }))
    await consumer.queue.take(PacketType.SUBACK)
    await consumer.queue.take(PacketType.TAIL)
    const producer = await MemoryClient.connect(a.broker)
    a.replication.isLeaseValid = false
    producer.send(publishPacket(1, batchOf('t', ['x'])), publishPacket(0, batchOf('t', ['live'], { qos: 0 })))
    expect(await received(producer)).toEqual([])
    expect(await received(consumer)).toEqual([])
    a.replication.isLeaseValid = true
    await producer.queue.take(PacketType.PUBACK)
    await consumer.queue.messages(2)
  })

  test('that is suspended as it begins to lead serves when it goes on, and HTTP with it', async () => {
    const { a, b } = await openPair()
    await b.replication.copyFrom(a.replication)
    a.replication.follow(b.replication)
    const { logEndOffset } = b.replication.log
    b.replication.lead(2)
    b.replication.suspend(true)
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
    expect([b.broker.state, b.replication.log.logEndOffset]).toEqual(['suspended', logEndOffset])
    b.replication.suspend(false)
    await expect.poll(() => b.broker.state).toBe('serving')
    expect((await b.broker.door.publish(batchOf('t', ['x']))).baseOffset).toBeGreaterThanOrEqual(logEndOffset)
  })

  test('that is suspended and then deposed drops what waited', async () => {
    const { a, b } = await openPair()
    const producer = await MemoryClient.connect(a.broker)
    a.replication.suspend(true)
    producer.send(publishPacket(1, batchOf('t', ['x'])))
    const end = a.replication.log.logEndOffset
    a.replication.follow(b.replication)
    expect(await received(producer)).toEqual(['DISCONNECT'])
    expect(a.replication.log.logEndOffset).toBe(end)
  })

  test('has no state while its log is filled, and that of the leader from an installed snapshot on', async () => {
    const { a } = await openPair()
    const producer = await MemoryClient.connect(a.broker, 'p')
    for (let i = 0; i < 5; i++)
      await publish(producer, i + 1, batchOf(`t/${i}`, ['x'], { retain: true, producerId: 7, firstSequence: i }))
    const source = await openMember('source', { snapshotIntervalBytes: 1 })
    await source.replication.copyFrom(a.replication)
    await expect.poll(() => source.disk.mount().list('data/snapshots')).toHaveLength(1)
    const [name] = await source.disk.mount().list('data/snapshots')
    await publish(producer, 6, batchOf('t/6', ['x'], { retain: true, producerId: 7, firstSequence: 5 }))

    const c = await openMember('c', { isFilling: true })
    c.replication.follow(a.replication)
    expect([c.broker.state, c.replication.appliedOffset, c.replication.entries]).toEqual(['recovering', 0, []])
    c.disk.put(`data/snapshots/${name}`, source.disk.bytesOf(`data/snapshots/${name}`))
    c.replication.handler.handleSnapshotInstalled(Number.parseInt(name!, 10) as Offset)
    await expect.poll(() => c.replication.appliedOffset).toBe(Number.parseInt(name!, 10))
    await c.replication.copyFrom(a.replication)
    expect(c.broker.state).toBe('following')
    expect(c.replication.entries).toEqual(a.replication.entries)
  })

  test('that stops acknowledges what it has got, hands over at the end of its log, and ends replication before the log', async () => {
    const { a } = await openPair()
    const producer = await MemoryClient.connect(a.broker)
    const consumer = await MemoryClient.connect(a.broker, 'c')
    consumer.send(subscribePacket({ name: 's' }))
    await consumer.queue.take(PacketType.TAIL)
    producer.send(publishPacket(1, batchOf('t', ['x'])))
    await a.broker.shutdown()
    await producer.queue.take(PacketType.PUBACK)
    expect((await producer.queue.take(PacketType.DISCONNECT)).code).toBe('SHUTTING_DOWN')
    expect(a.replication.said).toEqual(['start', 'resign at the end', 'stop'])
    expect(a.broker.state).toBe('stopped')
  })

  test('starts as a member with what its snapshot and its high watermark say, and folds on', async () => {
    const { a, b } = await openPair()
    const producer = await MemoryClient.connect(a.broker)
    await publish(producer, 1, batchOf('t', ['x'], { retain: true, producerId: 7, firstSequence: 0 }))
    await b.replication.copyFrom(a.replication)
    await b.broker.shutdown()
    const again = await openMember('b', { disk: b.disk })
    expect(again.broker.state).toBe('following')
    again.replication.follow(a.replication)
    await publish(producer, 2, batchOf('t', ['y'], { retain: true, producerId: 7, firstSequence: 1 }))
    await again.replication.copyFrom(a.replication)
    expect(again.replication.entries).toEqual(a.replication.entries)
    expect((await MemoryClient.connect(a.broker)).isEnded).toBe(false)
    expect(() => again.broker.door).toThrow(expect.objectContaining({ code: 'NOT_LEADER' }))
    await expect(again.broker.removePolicy('x')).rejects.toMatchObject({ code: 'NOT_LEADER' })
  })
})
