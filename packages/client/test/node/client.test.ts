import { getEventListeners } from 'node:events'
import { createServer } from 'node:net'
import {
  Attribute,
  attributesOf,
  bodyCrc,
  DeliveredRecords,
  type Packet,
  PacketType,
  producerIdOf,
  qosOf,
} from '@gomq/protocol'
import { crc32, inflate } from '@gomq/protocol/node'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect } from '../../src/node/connect.js'
import type { ConnectOptions } from '../../src/node/connect-options.js'
import { connack } from '../harness/scripted-broker.js'
import { TcpBroker } from '../harness/tcp-broker.js'

/** Place of the body checksum in a batch. */
const BODY_CRC_AT = 44

let server: TcpBroker
beforeEach(async () => {
  server = await TcpBroker.start()
})
afterEach(() => server.stop())
const FAST = { reconnect: { minMs: 5, maxMs: 20 } }
const open = (options: ConnectOptions = {}) => connect(server.url, { clientId: 'c', ...FAST, ...options })
const text = (values: { text: string }[]) => values.map((each) => each.text)

describe('connect', () => {
  test('takes the first address that answers', async () => {
    const mq = await connect(['gomq://127.0.0.1:1', server.url], FAST)
    expect([mq.isConnected, mq.clientId, mq.broker?.id]).toEqual([true, 'c', 'b'])
    await mq.close()
    await expect.poll(() => server.count(PacketType.DISCONNECT)).toBe(1)
  })

  test('fails where nobody listens, nobody speaks, or the client is not let in, and holds no socket then', async () => {
    await expect(connect('gomq://127.0.0.1:1')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const mute = createServer((socket) => socket.resume().on('error', () => {}))
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    const { port } = mute.address() as { port: number }
    await expect(connect(`127.0.0.1:${port}`, { connectTimeoutMs: 30 })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(connect(`127.0.0.1:${port}`, { signal: AbortSignal.timeout(30) })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    await new Promise((resolve) => mute.close(resolve))
    server.intercept = () => [{ type: PacketType.DISCONNECT, code: 'AUTH_FAILED', message: 'no' }]
    await expect(open()).rejects.toMatchObject({ code: 'AUTH_FAILED' })
  })
})

describe('a session', () => {
  test('is introduced with its will and credentials on each connection, and is clean on the first one only', async () => {
    const will = { topic: 'last', value: { gone: true }, delaySec: 3 }
    const mq = await open({ username: 'ann', cleanSession: true, will })
    expect(mq.sessionPresent).toBe(false)
    server.intercept = (packet) =>
      packet.type === PacketType.CONNECT ? [connack({ sessionPresent: true })] : undefined
    server.drop()
    await mq.publish('t', 'x')
    expect(mq.sessionPresent).toBe(true)
    const connects = server.received.filter((each) => each.type === PacketType.CONNECT)
    expect(
      connects.map((each) => [each.cleanSession, each.sessionExpirySec, each.authMethod, each.willDelaySec]),
    ).toEqual([
      [true, 0, 'PLAIN', 3],
      [false, 0, 'PLAIN', 3],
    ])
    expect(new Set(connects.map((each) => producerIdOf(each.will!))).size).toBe(2)
    await mq.close()
  })

  test('of a client that is always durable names a subscription by its filters', async () => {
    const mq = await open({ cleanSession: false })
    await mq.subscribe(['t/b', 't/a'])
    expect([...server.broker.durables.keys()]).toEqual(['t/a t/b'])
    await mq.close()
  })
})

describe('a client', () => {
  test('publishes messages together that each say their topic, key and the rest, and stops at one that is refused', async () => {
    const mq = await open()
    function* messages() {
      yield { topic: 'all/1', value: 'a', key: 'k', headers: { h: '1' }, retain: true }
      yield { topic: 'all/2', value: { n: 2 }, timestamp: 7 }
      yield { topic: 'all/1', value: 'c', qos: 2 } as const
    }
    expect(await mq.publishAll(messages())).toEqual({ count: 3, lastOffset: 2 })
    const batches = server.received.filter((each) => each.type === PacketType.PUBLISH).map((each) => each.batch)
    const seen = batches.map((batch) => {
      const records = DeliveredRecords.ofBatch(batch, crc32, { inflate })
      const { topic, baseTimestampMs } = records
      const { key, timestampDeltaMs, headers } = records.record(0)
      const timestampMs = topic === 'all/2' ? baseTimestampMs + timestampDeltaMs : null
      return [topic, qosOf(batch), (attributesOf(batch) & Attribute.RETAIN) !== 0, key, timestampMs, { ...headers }]
    })
    expect(seen).toEqual([
      ['all/1', 1, true, 'k', null, { h: '1' }],
      ['all/2', 1, false, null, 7, { 'content-type': 'application/msgpack' }],
      ['all/1', 2, false, null, null, {}],
    ])
    const broken = ['all/1', 'all/#', 'all/1'].map((topic) => ({ topic, value: 'x' }))
    await expect(mq.publishAll(broken)).rejects.toMatchObject({ code: 'INVALID_TOPIC' })
    await expect(mq.publishAll(broken, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    await mq.close()
  })

  test('whose producer somebody else uses connects again, and publishes what was not answered', async () => {
    const mq = await open()
    const lost: string[] = []
    mq.on('disconnected', ({ code }) => lost.push(code))
    server.intercept = (packet) =>
      packet.type === PacketType.PUBLISH && server.connections === 1
        ? [{ type: PacketType.DISCONNECT, code: 'PRODUCER_FENCED', message: 'x' }]
        : undefined
    expect((await mq.publish('t', 'x')).offset).toBe(0)
    expect([lost, server.connections]).toEqual([['PRODUCER_FENCED'], 2])
    await mq.close()
  })

  test('reconnects, tells of it, and publishes once what was not answered', async () => {
    const mq = await open()
    const events: string[] = []
    mq.on('disconnected', () => events.push('disconnected'))
    mq.on('reconnecting', ({ attempt }) => events.push(`reconnecting ${attempt}`))
    mq.on('connected', () => events.push('connected'))
    let isDeaf = true
    server.intercept = (packet) => {
      if (packet.type !== PacketType.PUBLISH || !isDeaf) return undefined
      isDeaf = false
      server.broker.handle(packet)
      server.drop()
      return []
    }
    expect((await mq.publish('t', 'x')).offset).toBe(0)
    expect(server.broker.model.stored.length).toBe(1)
    expect(events).toEqual(['disconnected', 'reconnecting 1', 'connected'])
    await mq.close()
  })

  test('pauses longer and longer while connections break as soon as they stand', async () => {
    const mq = await open({ reconnect: { minMs: 10, maxMs: 10_000 } })
    const delays: number[] = []
    let done = () => {}
    const four = new Promise<void>((resolve) => {
      done = resolve
    })
    mq.on('connected', () => server.drop())
    mq.on('reconnecting', ({ delayMs }) => delays.push(delayMs) === 4 && done())
    server.drop()
    await four
    delays.forEach((delay, i) => {
      expect(delay).toBeGreaterThanOrEqual(5 * 2 ** i)
      expect(delay).toBeLessThanOrEqual(10 * 2 ** i)
    })
    await mq.close()
  })

  test('survives a listener that throws', async () => {
    const mq = await open()
    const uncaught: unknown[] = []
    const before = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => uncaught.push(error))
    mq.on('connected', () => {
      throw new Error('mine')
    })
    server.drop()
    expect((await mq.publish('t', 'x')).offset).toBe(0)
    process.removeAllListeners('uncaughtException')
    for (const listener of before) process.on('uncaughtException', listener)
    expect(String(uncaught[0])).toContain('mine')
    await mq.close()
  })

  test('is closed for good when another takes its place', async () => {
    const mq = await open()
    const subscription = await mq.subscribe('t')
    const next = subscription[Symbol.asyncIterator]().next()
    server.push({ type: PacketType.DISCONNECT, code: 'SESSION_TAKEN_OVER', message: 'x' })
    await expect(next).rejects.toMatchObject({ code: 'SESSION_TAKEN_OVER' })
    await expect(mq.publish('t', 'x')).rejects.toMatchObject({ code: 'SESSION_TAKEN_OVER' })
    await Promise.all([mq.close(), mq.close()])
    expect(server.connections).toBe(1)
  })

  test('says of a publish that was under way when the client is sent away that it may be stored', async () => {
    const mq = await open()
    server.intercept = (packet) =>
      packet.type === PacketType.PUBLISH
        ? [{ type: PacketType.DISCONNECT, code: 'NOT_AUTHORIZED', message: 'x' }]
        : undefined
    await expect(mq.publish('t', 'x')).rejects.toMatchObject({ code: 'CLOSED', cause: { code: 'NOT_AUTHORIZED' } })
    await expect(mq.publish('t', 'y')).rejects.toMatchObject({ code: 'NOT_AUTHORIZED' })
    await mq.close()
  })

  test('closes while it has no connection, in time, and fails what is left', async () => {
    const mq = await open()
    server.intercept = () => []
    server.drop()
    const publish = mq.publish('t', 'x')
    const subscribe = mq.subscribe('t')
    const closing = [mq.close({ timeoutMs: 50 }), mq.close()]
    await expect(publish).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(subscribe).rejects.toMatchObject({ code: 'CLOSED' })
    await Promise.all(closing)
    await expect(mq.publish('t', 'x')).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('refuses what the broker would refuse, without sending it', async () => {
    const mq = await open()
    const code = (promise: Promise<unknown>) =>
      promise.then(
        () => 'none',
        (error) => error.code,
      )
    expect(await code(mq.publish('a/#', 'x'))).toBe('INVALID_TOPIC')
    expect(await code(mq.publish('a', undefined))).toBe('INVALID_ARGUMENT')
    expect(await code(mq.publish('a', 'x', { qos: 3 as never }))).toBe('INVALID_ARGUMENT')
    expect(await code(mq.publish('a', new Uint8Array(4_000_001)))).toBe('MESSAGE_TOO_LARGE')
    expect(await code(mq.publish('a', 'x', { signal: AbortSignal.abort() }))).toBe('ABORTED')
    expect(await code(mq.subscribe([]))).toBe('INVALID_ARGUMENT')
    expect(await code(mq.subscribe('a/#/b'))).toBe('INVALID_FILTER')
    await mq.close()
    expect(server.count(PacketType.PUBLISH)).toBe(0)
  })
})

describe('a subscription', () => {
  const fill = (...values: string[]) => server.push(...server.broker.append('t/a', ...values))
  const durable = { name: 'd', from: 'earliest' as const }

  test('hands messages to loops in order, each message to one, and acknowledges for the loop that had it', async () => {
    const mq = await open()
    const subscription = await mq.subscribe('t/#', { ...durable, ack: 'auto' })
    fill('a', 'b', 'c')
    const [one, two] = [subscription[Symbol.asyncIterator](), subscription[Symbol.asyncIterator]()]
    const got = [(await one.next()).value!, (await two.next()).value!]
    expect(text(got)).toEqual(['a', 'b'])
    expect((await one.next()).value!.text).toBe('c')
    await two.return!()
    await subscription.close()
    expect(server.broker.durables.get('d')!.unacked.toArray()).toEqual([1, 3])
    expect(await one.next()).toEqual({ done: true, value: undefined })
    await mq.close()
  })

  test('with automatic acknowledgement tells the broker a little later, or when it is closed', async () => {
    const mq = await open()
    const subscription = await mq.subscribe('t/#', { ...durable, ack: 'auto' })
    const unacked = () => server.broker.durables.get('d')!.unacked.toArray()
    fill('a', 'b', 'c')
    await subscription.next()
    await subscription.next()
    await vi.waitUntil(() => unacked()[0] === 1, { timeout: 10_000 })
    await subscription.next()
    await mq.close()
    expect(unacked()).toEqual([2, 3])
  })

  test('tells of each message its QoS, the lesser of both sides, and whether it was retained', async () => {
    const mq = await open()
    fill('old')
    const properties = []
    for (const qos of [0, 1, 2] as const) {
      const subscription = await mq.subscribe('t/#', { qos })
      fill('new')
      const messages = [(await subscription.next()).value!, (await subscription.next()).value!]
      properties.push(messages.map((each) => [each.qos, each.isRetained]))
      await subscription.close()
    }
    const of = (qos: number) => [
      [qos, true],
      [qos, false],
    ]
    expect(properties).toEqual([of(0), of(1), of(1)])
    await mq.close()
  })

  test('a loop that is left takes no message with it', async () => {
    const mq = await open()
    const subscription = await mq.subscribe('t/#')
    const [left, other] = [subscription[Symbol.asyncIterator](), subscription[Symbol.asyncIterator]()]
    const waiting = [left.next(), other.next()] as const
    await left.return!()
    expect((await waiting[0]).done).toBe(true)
    fill('a')
    expect((await waiting[1]).value!.text).toBe('a')
    await mq.close()
  })

  test('acknowledges on time, over a lost connection, and fails what was not in time', async () => {
    const mq = await open()
    const subscription = await mq.subscribe('t/#', durable)
    fill('a', 'b')
    const loop = subscription[Symbol.asyncIterator]()
    const messages = [(await loop.next()).value!, (await loop.next()).value!]
    server.intercept = (packet) => {
      if (packet.type !== PacketType.ACK) return undefined
      server.drop()
      return []
    }
    const acked = messages[0]!.ack()
    await new Promise((resolve) => mq.on('disconnected', () => resolve(0)))
    server.intercept = () => undefined
    await acked
    await Promise.all([messages[0]!.ack(), messages[0]!.ack()])
    expect(server.broker.durables.get('d')!.unacked.toArray()).toEqual([1, 2])
    await subscription.close()
    await expect(messages[1]!.ack()).rejects.toMatchObject({ code: 'CLOSED' })
    await messages[0]!.ack()
    await mq.close()
  })

  test('ends with its signal, and leaves no listener on one that never fires', async () => {
    const mq = await open()
    const controller = new AbortController()
    const subscription = await mq.subscribe('t', { signal: controller.signal })
    const next = subscription[Symbol.asyncIterator]().next()
    controller.abort()
    expect((await next).done).toBe(true)
    const { signal } = new AbortController()
    await (await mq.subscribe('t', { signal })).close()
    expect(getEventListeners(signal, 'abort')).toEqual([])
    await mq.close()
  })

  test('hands out a record that cannot be decoded as a message that can be acknowledged', async () => {
    const mq = await open()
    const subscription = await mq.subscribe('t/#', durable)
    const [deliver] = server.broker.append('t/a', 'xxxxxxxx', 'good') as [Packet & { payload: Uint8Array }]
    const at = Buffer.from(deliver.payload).indexOf('xxxxxxxx')
    const payload = deliver.payload.slice()
    payload[at - 1] = 0xc1
    new DataView(payload.buffer, payload.byteOffset).setUint32(BODY_CRC_AT, bodyCrc(payload, crc32), true)
    server.push({ ...deliver, payload } as Packet)
    const loop = subscription[Symbol.asyncIterator]()
    const bad = (await loop.next()).value!
    expect(() => bad.value).toThrow(expect.objectContaining({ code: 'BAD_RECORD' }))
    expect([bad.offset, bad.topic]).toEqual([0, 't/a'])
    await bad.ack()
    expect((await loop.next()).value!.value).toBe('good')
    await mq.close()
  })

  test('with untilEnd ends after what was stored, and says where it caught up', async () => {
    const mq = await open()
    fill('a', 'b')
    const subscription = await mq.subscribe('t/#', { from: 'earliest', untilEnd: true })
    const seen: string[] = []
    for await (const message of subscription) seen.push(message.text)
    expect([seen, await subscription.caughtUp(), (await subscription.next()).done]).toEqual([['a', 'b'], 10, true])
    await mq.close()
  })
})
