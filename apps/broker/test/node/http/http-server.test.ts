import { request } from 'node:http'
import { PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import type { BrokerProcess } from '../../../src/node/broker-process.js'
import { startBroker } from '../../harness/broker-process.js'
import { batchOf, publishPacket, subscribePacket } from '../../harness/packets.js'
import { TcpClient } from '../../harness/tcp-client.js'

interface Answer {
  status: number
  type: string
  json: Record<string, unknown>
}

function call(
  broker: BrokerProcess,
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { port } = broker.http!
    const outgoing = request({
      host: '127.0.0.1',
      port,
      method,
      path,
      agent: false,
      headers: { 'content-type': 'application/json', ...headers },
    })
    outgoing.on('error', reject)
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const json = text === '' ? {} : JSON.parse(text)
        resolve({ status: incoming.statusCode ?? 0, type: incoming.headers['content-type'] ?? '', json })
      })
    })
    outgoing.end(body)
  })
}

const publish = (broker: BrokerProcess, message: unknown): Promise<Answer> =>
  call(broker, 'POST', '/pub', JSON.stringify(message))

describe('HTTP', () => {
  test('GET /version names both versions', async () => {
    const broker = await startBroker()
    const { status, json } = await call(broker, 'GET', '/version')
    expect(status).toBe(200)
    expect(Object.keys(json)).toEqual(['gomq', 'gomqctl'])
  })

  test('POST /pub answers with the offset after commit, and GET /messages shows the message', async () => {
    const broker = await startBroker()
    const { status, json } = await publish(broker, { topic: 'A', body: 'hello' })
    expect(status).toBe(200)
    expect(json).toEqual({ offset: expect.any(Number), epoch: 1, durability: 'synced' })
    await publish(broker, { topic: 'B', body: 'not A' })
    await publish(broker, { topic: 'A', body: { id: 7, tags: ['x', null, true] }, retain: true })
    await publish(broker, { topic: 'A', body: '/wAB', encoding: 'base64' })
    const page = await call(broker, 'GET', '/messages?topic=A')
    expect(page.json).toMatchObject({
      topic_name: 'A',
      message_list: [
        {
          offset: json['offset'],
          qos: 1,
          retain: false,
          value: 'hello',
          encoding: 'text',
          timestamp: expect.any(Number),
        },
        { retain: true, value: { id: 7, tags: ['x', null, true] }, encoding: 'json' },
        { value: '/wAB', encoding: 'base64' },
      ],
    })
    expect(page.json).not.toHaveProperty('next')
  })

  test('pages go on at next until it is missing', async () => {
    const broker = await startBroker()
    const client = await TcpClient.connect(broker.tcp.port)
    for (let i = 0; i < 10; i++)
      client.send(publishPacket(i + 1, batchOf(i % 2 === 0 ? 'A' : 'B', [`${i}a`, `${i}b`, `${i}c`])))
    for (let i = 0; i < 10; i++) await client.queue.take(PacketType.PUBACK)
    client.close()
    const values: unknown[] = []
    let path: string | undefined = '/messages?topic=A&limit=4'
    let pages = 0
    while (path !== undefined) {
      const { json }: Answer = await call(broker, 'GET', path)
      for (const message of json['message_list'] as { value: unknown }[]) values.push(message.value)
      path = json['next'] === undefined ? undefined : `/messages?topic=A&limit=4&from=${json['next']}`
      pages++
    }
    expect(values).toEqual([0, 2, 4, 6, 8].flatMap((i) => [`${i}a`, `${i}b`, `${i}c`]))
    expect(pages).toBe(4)
  })

  test('QoS 0 answers 202 and reaches those who are connected', async () => {
    const broker = await startBroker()
    const client = await TcpClient.connect(broker.tcp.port)
    client.send(subscribePacket({ filters: ['live'], from: { kind: 'new' } }))
    await client.queue.take(PacketType.TAIL)
    const { status } = await publish(broker, { topic: 'live', body: 'now', qos: 0 })
    expect(status).toBe(202)
    expect(await client.queue.messages(1)).toEqual([{ topic: 'live', offset: -1, value: 'now' }])
    expect((await call(broker, 'GET', '/messages?topic=live')).json['message_list']).toEqual([])
    client.close()
  })

  test('many publishes at once are all answered, each with its own offset', async () => {
    const broker = await startBroker()
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, i) => publish(broker, { topic: 'many', body: `${i}` })),
    )
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(new Set(answers.map(({ json }) => json['offset'])).size).toBe(300)
  })

  test('bad requests get a problem with one of our codes', async () => {
    const broker = await startBroker(['--message-bytes-max', '1KiB'])
    const table: [string, string, string | undefined, number, string][] = [
      ['GET', '/nowhere', undefined, 404, 'INVALID_ARGUMENT'],
      ['GET', '/messages', undefined, 400, 'INVALID_ARGUMENT'],
      ['GET', '/messages?topic=a%2F%23', undefined, 400, 'INVALID_TOPIC'],
      ['GET', '/messages?topic=a%00', undefined, 400, 'INVALID_TOPIC'],
      ['GET', '/messages?topic=a&limit=0', undefined, 400, 'INVALID_ARGUMENT'],
      ['GET', '/messages?topic=a&from=-1', undefined, 400, 'INVALID_ARGUMENT'],
      ['GET', '/messages?topic=a&from=999', undefined, 416, 'OFFSET_OUT_OF_RANGE'],
      ['GET', '/messages?topic=a&topic=b', undefined, 400, 'INVALID_ARGUMENT'],
      ['GET', '/messages?topic=a&form=1', undefined, 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '[]', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a"}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a/+","body":""}', 400, 'INVALID_TOPIC'],
      ['POST', '/pub', '{"topic":"$SYS/a","body":""}', 403, 'NOT_AUTHORIZED'],
      ['POST', '/pub', '{"topic":"a","body":"x","qos":3}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","qos":2}', 400, 'UNSUPPORTED_FEATURE'],
      ['POST', '/pub', '{"topic":"a","body":"x","retain":"yes"}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","extra":1}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"?","encoding":"base64"}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"\\ud800"}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","__proto__":{"polluted":1}}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":{"constructor":{"prototype":{"polluted":1}}}}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', `{"topic":"a","body":"${'x'.repeat(1025)}"}`, 413, 'MESSAGE_TOO_LARGE'],
      ['POST', '/pub', `{"topic":"a","body":"${'x'.repeat(100_000)}"}`, 413, 'MESSAGE_TOO_LARGE'],
    ]
    for (const [method, path, body, status, code] of table) {
      const answer = await call(broker, method, path, body)
      expect({ path, body: body?.slice(0, 80), ...answer }).toMatchObject({
        status,
        type: expect.stringContaining('application/problem+json'),
        json: { code, status, detail: expect.any(String) },
      })
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  test('only JSON is taken', async () => {
    const broker = await startBroker()
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const { status } = await call(broker, 'POST', '/pub', '{"topic":"a","body":"x"}', { 'content-type': type })
      expect(status).toBe(415)
    }
  })

  test('requests for a foreign host name or from another origin are refused', async () => {
    const broker = await startBroker(['--http-hosts', 'broker.example'])
    const { port } = broker.http!
    const statusFor = async (headers: Record<string, string>): Promise<number> =>
      (await call(broker, 'GET', '/version', undefined, headers)).status
    expect(await statusFor({ host: 'evil.example' })).toBe(403)
    expect(await statusFor({ host: `evil.example:${port}` })).toBe(403)
    expect(await statusFor({ host: '127.0.0.1.evil.example' })).toBe(403)
    expect(await statusFor({ host: `localhost:${port}`, origin: 'http://evil.example' })).toBe(403)
    expect(await statusFor({ host: `localhost:${port}`, origin: 'null' })).toBe(403)
    expect(await statusFor({ host: `localhost:${port}`, origin: `http://localhost:${port}` })).toBe(200)
    expect(await statusFor({ host: `broker.example:${port}` })).toBe(200)
    expect(await statusFor({ host: `[::1]:${port}` })).toBe(200)
  })

  test('health and readiness', async () => {
    const broker = await startBroker()
    expect((await call(broker, 'GET', '/healthz')).json).toMatchObject({
      status: 'ok',
      highWatermark: expect.any(Number),
    })
    expect((await call(broker, 'GET', '/readyz')).json).toEqual({ status: 'ready' })
  })
})
