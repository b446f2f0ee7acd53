import { DEFLATE_FEATURE, PacketType } from '@gomq/protocol'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { STREAM_CREDIT } from '../../../src/node/http/event-stream.js'
import { createHttpServer } from '../../../src/node/http/http-server.js'
import { startBroker } from '../../harness/broker-process.js'
import { EventSource } from '../../harness/event-source.js'
import { call, type HttpTarget, publish } from '../../harness/http-client.js'
import { compressedBatchOf, lyingBatchOf, publishPacket } from '../../harness/packets.js'
import { TcpClient } from '../../harness/tcp-client.js'

async function open(broker: HttpTarget, query: string, lastEventId?: string): Promise<EventSource> {
  const source = await EventSource.open(broker, `/v1/subscribe?${query}`, lastEventId)
  onTestFinished(() => source.close())
  return source
}

async function publishAll(broker: HttpTarget, topic: string, values: string[]): Promise<void> {
  for (const body of values) await publish(broker, { topic, body })
}

describe('GET /v1/subscribe', () => {
  test('a message is an event whose id is the offset', async () => {
    const broker = await startBroker()
    const source = await open(broker, 'topic=a&topic=b/%23')
    const { json } = await publish(broker, { topic: 'a', body: 'one\ntwo', key: 'k' })
    await publishAll(broker, 'other', ['no'])
    await publishAll(broker, 'b/c', ['three'])
    await publish(broker, { topic: 'a', body: { n: 1 }, qos: 0 })
    await expect.poll(() => source.values).toEqual(['one\ntwo', 'three', { n: 1 }])
    expect(source.events[0]!.id).toBe(`${json['offset']}`)
    expect(source.messages).toMatchObject([
      { topic: 'a', offset: json['offset'], key: 'k', encoding: 'text', qos: 1 },
      { topic: 'b/c' },
      { topic: 'a', offset: -1, encoding: 'json', qos: 0 },
    ])
  })

  test('a message of a compressed batch is an event like others, in no more than the credit; one that lies is a bad one', async () => {
    const broker = await startBroker()
    const source = await open(broker, 'topic=a')
    const publisher = await TcpClient.connect(broker.tcp.port, null, [DEFLATE_FEATURE])
    const values = Array.from({ length: 200 }, (_, i) => `v${i}`)
    publisher.send(publishPacket(5, compressedBatchOf('a', values)))
    publisher.send(publishPacket(0, compressedBatchOf('a', ['unlogged'], { qos: 0 })))
    await publisher.queue.take(PacketType.PUBACK)
    await expect.poll(() => source.values.length).toBe(201)
    expect(source.values.map((value) => String(value).trimEnd()).sort()).toEqual([...values, 'unlogged'].sort())
    publisher.send(publishPacket(6, lyingBatchOf('a', ['x'])))
    await expect.poll(() => source.messages.at(-1)).toMatchObject({ encoding: 'bad', value: null })
    publisher.close()
  })

  test('from says where it begins', async () => {
    const broker = await startBroker()
    await publishAll(broker, 'a', ['1', '2'])
    const { json } = await publish(broker, { topic: 'a', body: '3' })
    const earliest = await open(broker, 'topic=a&from=earliest')
    const offset = await open(broker, `topic=a&from=${json['offset']}`)
    const fresh = await open(broker, 'topic=a')
    await publishAll(broker, 'a', ['4'])
    await expect.poll(() => earliest.values).toEqual(['1', '2', '3', '4'])
    await expect.poll(() => offset.values).toEqual(['3', '4'])
    await expect.poll(() => fresh.values).toEqual(['4'])
  })

  test('a stream goes on behind Last-Event-ID: nothing is lost and nothing comes twice', async () => {
    const broker = await startBroker()
    let lastEventId: string | undefined
    const seen: unknown[] = []
    const sent: string[] = []
    for (let round = 0; round < 10; round++) {
      const source = await open(broker, 'topic=a&retained=0', lastEventId)
      await expect.poll(() => source.lastEventId).toBeDefined()
      const count = sent.length
      const values = Array.from({ length: round % 3 }, (_, i) => `${round}.${i}`)
      await publishAll(broker, 'a', values)
      sent.push(...values)
      await expect.poll(() => seen.length + source.values.length).toBeGreaterThanOrEqual(sent.length)
      seen.push(...source.values)
      lastEventId = source.lastEventId
      source.close()
      expect(seen).toEqual(sent)
      expect(sent.length).toBeGreaterThanOrEqual(count)
      const missed = `${round} while away`
      await publishAll(broker, 'a', [missed])
      sent.push(missed)
    }
  })

  test('retained messages come first, and again to a client that lost the stream among them', async () => {
    const broker = await startBroker()
    for (const n of [1, 2, 3]) await publish(broker, { topic: `r/${n}`, body: `${n}`, retain: true })
    await publish(broker, { topic: 'r/2', body: 'new', retain: true })
    const source = await open(broker, 'topic=r/%23')
    await publishAll(broker, 'r/live', ['live'])
    await expect.poll(() => source.values).toEqual(['1', '3', 'new', 'live'])
    const [first, , third, live] = source.events
    expect(first!.id).toMatch(/^\d+:retained$/)
    expect(third!.id).toBe(first!.id)
    expect(live!.id).toMatch(/^\d+$/)
    const again = await open(broker, 'topic=r/%23', first!.id)
    await expect.poll(() => again.values).toEqual(['1', '3', 'new', 'live'])
    const without = await open(broker, 'topic=r/%23&retained=0')
    const replay = await open(broker, 'topic=r/%23&from=earliest')
    await publishAll(broker, 'r/live', ['end'])
    await expect.poll(() => without.values).toEqual(['end'])
    await expect.poll(() => replay.values).toEqual(['1', '2', '3', 'new', 'live', 'end'])
  })

  test('a client that does not read costs a position and gets everything when it reads', async () => {
    const started = await startBroker()
    const options = { broker: started.broker, messageBytesMax: 1e6, httpHosts: [], log: pino({ level: 'silent' }) }
    // What is written and not taken counts as held: with more than the credit, this would end the stream.
    const server = createHttpServer({ ...options, heldBytesMax: STREAM_CREDIT.bytes + 500_000 })
    onTestFinished(() => server.close())
    await server.listen({ host: '127.0.0.1', port: 0 })
    const { port } = server.server.address() as { port: number }
    const source = await open({ http: { port } }, 'topic=big')
    source.pause()
    const body = 'x'.repeat(100_000)
    const count = 200
    for (let i = 0; i < count; i++) await publish(started, { topic: 'big', body: `${i}:${body}` })
    source.resume()
    await expect.poll(() => source.messages.length, { timeout: 10_000 }).toBe(count)
    expect(source.values.map((value) => Number.parseInt(value as string, 10))).toEqual([...Array(count).keys()])
  })

  test('a stream that cannot begin is a problem, not a stream', async () => {
    const broker = await startBroker()
    const table: [string, string | undefined, string][] = [
      ['', undefined, 'INVALID_ARGUMENT'],
      ['topic=', undefined, 'INVALID_FILTER'],
      ['topic=a%23', undefined, 'INVALID_FILTER'],
      ['topic=a&topic=%00', undefined, 'INVALID_FILTER'],
      ['topic=a&from=last', undefined, 'INVALID_ARGUMENT'],
      ['topic=a&from=9007199254740993', undefined, 'INVALID_ARGUMENT'],
      ['topic=a&from=99', undefined, 'OFFSET_OUT_OF_RANGE'],
      ['topic=a&retained=2', undefined, 'INVALID_ARGUMENT'],
      ['topic=a&qos=1', undefined, 'INVALID_ARGUMENT'],
      [Array.from({ length: 65 }, (_, i) => `topic=${i}`).join('&'), undefined, 'INVALID_ARGUMENT'],
      ['topic=a', 'x', 'INVALID_ARGUMENT'],
      ['topic=a', '99', 'OFFSET_OUT_OF_RANGE'],
    ]
    for (const [query, lastEventId, code] of table)
      await expect(open(broker, query, lastEventId), query.slice(0, 40)).rejects.toThrow(`"code":"${code}"`)
    const { json } = await call(broker, 'GET', '/healthz')
    expect(json).toMatchObject({ subscriptions: 0, connections: 1 })
  })

  test('a stream that its client leaves is forgotten', async () => {
    const broker = await startBroker()
    const sources = await Promise.all(Array.from({ length: 20 }, () => open(broker, 'topic=a')))
    expect((await call(broker, 'GET', '/healthz')).json).toMatchObject({ subscriptions: 20 })
    for (const source of sources) source.close()
    await expect.poll(async () => (await call(broker, 'GET', '/healthz')).json['subscriptions']).toBe(0)
  })

  test('a stream ends with a problem when the broker stops', async () => {
    const broker = await startBroker()
    const source = await open(broker, 'topic=a')
    const startedMs = performance.now()
    await broker.stop()
    expect(performance.now() - startedMs).toBeLessThan(5_000)
    await expect.poll(() => source.isEnded).toBe(true)
    expect(source.events.at(-1)).toMatchObject({
      event: 'end',
      data: expect.stringContaining('"code":"SHUTTING_DOWN"'),
    })
  })

  test('at most 1,000 streams are open', async () => {
    const broker = await startBroker()
    const sources = await Promise.all(Array.from({ length: 1000 }, () => open(broker, 'topic=a')))
    await expect(open(broker, 'topic=a')).rejects.toThrow('"code":"LIMIT_EXCEEDED"')
    sources[0]!.close()
    await expect.poll(() => open(broker, 'topic=a').catch(() => undefined)).toBeInstanceOf(EventSource)
  }, 20_000)
})
