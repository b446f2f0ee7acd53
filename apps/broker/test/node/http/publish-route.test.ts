import { Attribute, attributesOf, PacketType, qosOf, ttlMsOf } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { startBroker, temporaryDirectory } from '../../harness/broker-process.js'
import { type Answer, call, type HttpTarget, publish } from '../../harness/http-client.js'
import { subscribePacket } from '../../harness/packets.js'
import { TcpClient } from '../../harness/tcp-client.js'

const withKey = (broker: HttpTarget, key: string, message: unknown, path = '/pub'): Promise<Answer> =>
  call(broker, 'POST', path, JSON.stringify(message), { 'idempotency-key': key })

const valuesOf = async (broker: HttpTarget, topic: string): Promise<unknown[]> => {
  const { json } = await call(broker, 'GET', `/v1/messages?topic=${topic}`)
  return (json['message_list'] as { value: unknown }[]).map(({ value }) => value)
}

describe('POST /pub', () => {
  test('all options reach the message, under both paths', async () => {
    const broker = await startBroker()
    const client = await TcpClient.connect(broker.tcp.port)
    client.send(subscribePacket({ filters: ['full'] }))
    for (const path of ['/pub', '/v1/publish']) {
      const message = { topic: 'full', body: 'x', qos: 2, retain: true, key: 'k1', headers: { a: 'b' }, ttlMs: 60_000 }
      expect((await call(broker, 'POST', path, JSON.stringify(message))).status).toBe(200)
      const { payload } = await client.queue.take(PacketType.DELIVER)
      expect(qosOf(payload)).toBe(2)
      expect(ttlMsOf(payload)).toBe(60_000)
      expect(attributesOf(payload) & Attribute.RETAIN).toBe(Attribute.RETAIN)
    }
    client.close()
    const { json } = await call(broker, 'GET', '/messages?topic=full&limit=1')
    expect(json['message_list']).toMatchObject([
      { qos: 2, retain: true, ttlMs: 60_000, value: 'x', encoding: 'text', key: 'k1', headers: { a: 'b' } },
    ])
  })

  test('a JSON body keeps its content type beside other headers', async () => {
    const broker = await startBroker()
    await publish(broker, { topic: 'A', body: { n: 1 }, headers: { trace: 't' } })
    const { json } = await call(broker, 'GET', '/messages?topic=A')
    expect(json['message_list']).toMatchObject([{ value: { n: 1 }, encoding: 'json', headers: { trace: 't' } }])
  })

  test('a message that has expired is not shown, and the page goes on behind it', async () => {
    const broker = await startBroker()
    await publish(broker, { topic: 'A', body: 'gone', ttlMs: 1 })
    await publish(broker, { topic: 'A', body: 'stays', ttlMs: 100_000 })
    await expect.poll(() => valuesOf(broker, 'A')).toEqual(['stays'])
  })
})

describe('Idempotency-Key', () => {
  test('a request that is sent again is stored once and answered with the same offset, also after a crash', async () => {
    const directory = await temporaryDirectory()
    const broker = await startBroker([], directory)
    const message = { topic: 'A', body: { n: 1 }, qos: 2, headers: { h: '1' } }
    const first = await withKey(broker, 'key 1', message)
    expect(first.status).toBe(200)
    expect(await withKey(broker, 'key 1', message, '/v1/publish')).toMatchObject(first)
    expect((await withKey(broker, 'key 2', message)).json['offset']).not.toBe(first.json['offset'])
    await broker.crash()
    const again = await startBroker([], directory)
    expect(await withKey(again, 'key 1', message)).toMatchObject({
      status: 200,
      json: { offset: first.json['offset'], epoch: 2 },
    })
    expect(await valuesOf(again, 'A')).toEqual([{ n: 1 }, { n: 1 }])
  })

  test('many at once with one key are one message', async () => {
    const broker = await startBroker()
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => withKey(broker, 'k', { topic: 'A', body: 'once' })),
    )
    expect(new Set(answers.map(({ json }) => json['offset'])).size).toBe(1)
    expect(await valuesOf(broker, 'A')).toEqual(['once'])
  })

  test('a key that comes again with another message is refused, whatever differs', async () => {
    const broker = await startBroker()
    const message = { topic: 'A', body: 'x', qos: 1, retain: true, key: 'k', headers: { a: '1' }, ttlMs: 100_000 }
    expect((await withKey(broker, 'k', message)).status).toBe(200)
    const others = [
      { topic: 'B' },
      { body: 'y' },
      { body: ['x'] },
      { body: 'eA==', encoding: 'base64' },
      { qos: 0 },
      { qos: 2 },
      { retain: false },
      { key: 'l' },
      { headers: { a: '2' } },
      { ttlMs: 100_001 },
    ]
    for (const other of others) {
      expect(await withKey(broker, 'k', { ...message, ...other }), JSON.stringify(other)).toMatchObject({
        status: 422,
        json: { code: 'IDEMPOTENCY_KEY_REUSED' },
      })
    }
    expect(await valuesOf(broker, 'A')).toEqual(['x'])
    expect(await valuesOf(broker, 'B')).toEqual([])
    expect((await withKey(broker, 'k', message)).status).toBe(200)
  })

  test('QoS 0 takes a key only with retain', async () => {
    const broker = await startBroker()
    for (let i = 0; i < 2; i++)
      expect((await withKey(broker, 'k', { topic: 'A', body: 'x', qos: 0, retain: true })).status).toBe(202)
    expect(await valuesOf(broker, 'A')).toEqual(['x'])
    expect(await withKey(broker, 'k', { topic: 'A', body: 'x', qos: 0 })).toMatchObject({
      status: 400,
      json: { code: 'INVALID_ARGUMENT', detail: expect.stringContaining('without retain') },
    })
  })

  test('a key has 1 to 255 printable characters', async () => {
    const broker = await startBroker()
    const message = { topic: 'A', body: 'x' }
    for (const key of ['', 'x'.repeat(256), 'ä', 'a\tb'])
      expect(await withKey(broker, key, message)).toMatchObject({ status: 400, json: { code: 'INVALID_ARGUMENT' } })
    expect((await withKey(broker, '~'.repeat(255), message)).status).toBe(200)
  })

  test('a message that was refused leaves the key free', async () => {
    const broker = await startBroker()
    expect((await withKey(broker, 'k', { topic: '$SYS/a', body: 'x' })).status).toBe(403)
    expect((await withKey(broker, 'k', { topic: 'a', body: 'x' })).status).toBe(200)
  })
})

describe('POST /v1/publish/batch', () => {
  const batch = (broker: HttpTarget, body: unknown, headers = {}) =>
    call(broker, 'POST', '/v1/publish/batch', JSON.stringify(body), headers)

  test('stores all messages next to each other, with what each has and what all have', async () => {
    const broker = await startBroker()
    const messages = [
      { body: 'one', key: 'k' },
      { body: { n: 2 }, headers: { a: 'b' } },
      { body: 'AAEC/w==', encoding: 'base64' },
    ]
    const { status, json } = await batch(broker, { topic: 'A', qos: 2, ttlMs: 60_000, messages })
    expect([status, json]).toMatchObject([200, { count: 3, durability: 'synced' }])
    const offset = json['offset'] as number
    const { json: page } = await call(broker, 'GET', '/messages?topic=A')
    expect(page['message_list']).toMatchObject([
      { offset, qos: 2, ttlMs: 60_000, value: 'one', key: 'k' },
      { offset: offset + 1, value: { n: 2 }, headers: { a: 'b' } },
      { offset: offset + 2, value: 'AAEC/w==', encoding: 'base64' },
    ])
  })

  test('is stored once with a key, and another batch under the same key is refused', async () => {
    const broker = await startBroker()
    const key = { 'idempotency-key': 'k' }
    const request = { topic: 'A', messages: [{ body: 'x' }, { body: 'y' }] }
    const first = await batch(broker, request, key)
    expect(await batch(broker, request, key)).toMatchObject({ status: 200, json: first.json })
    for (const bodies of ['xz', 'x', 'xyz']) {
      const messages = [...bodies].map((body) => ({ body }))
      const other = await batch(broker, { ...request, messages }, key)
      expect([bodies, other.status, other.json['code']]).toEqual([bodies, 422, 'IDEMPOTENCY_KEY_REUSED'])
    }
    expect(await valuesOf(broker, 'A')).toEqual(['x', 'y'])
  })

  test.each([
    ['no list', { topic: 'A', messages: {} }, 400, /messages is no list of 1 to/],
    ['an empty one', { topic: 'A', messages: [] }, 400, /messages is no list of 1 to/],
    ['a text in it', { topic: 'A', messages: ['x'] }, 400, /message 0 is no JSON object/],
    [
      'a field that belongs to all',
      { topic: 'A', messages: [{ body: 'x' }, { body: 'y', qos: 1 }] },
      400,
      /message 1: a field is unknown/,
    ],
    ['retain', { topic: 'A', retain: true, messages: [{ body: 'x' }] }, 400, /unknown/],
    [
      'more bytes than one message may have',
      { topic: 'A', messages: Array(600).fill({ body: 'x'.repeat(2000) }) },
      413,
      /together/,
    ],
  ])('%s is refused, and nothing is stored', async (_, body, status, reason) => {
    const broker = await startBroker(['--message-bytes-max', '1MiB'])
    const answer = await batch(broker, body)
    expect([answer.status, answer.json['detail']]).toEqual([status, expect.stringMatching(reason)])
    expect(await valuesOf(broker, 'A')).toEqual([])
  })

  test('at QoS 0 goes to those who are there', async () => {
    const broker = await startBroker()
    const client = await TcpClient.connect(broker.tcp.port)
    client.send(subscribePacket({ filters: ['A'] }))
    expect(await batch(broker, { topic: 'A', qos: 0, messages: [{ body: 'x' }, { body: 'y' }] })).toMatchObject({
      status: 202,
      json: { accepted: true },
    })
    await client.queue.take(PacketType.DELIVER)
    client.close()
  })
})
