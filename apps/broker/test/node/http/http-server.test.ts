import { connect } from 'node:net'
import { PacketType } from '@gomq/protocol'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createHttpServer } from '../../../src/node/http/http-server.js'
import { startBroker } from '../../harness/broker-process.js'
import { type Answer, call, publish } from '../../harness/http-client.js'
import { batchOf, publishPacket, subscribePacket } from '../../harness/packets.js'
import { TcpClient } from '../../harness/tcp-client.js'

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
      ['GET', '/messages?topic=a&from=1.5', undefined, 400, 'INVALID_ARGUMENT'],
      ['GET', '/messages?topic=a&from=', undefined, 400, 'INVALID_ARGUMENT'],
      ['GET', '/messages?topic=a&from=9007199254740993', undefined, 400, 'INVALID_ARGUMENT'],
      ['GET', '/messages?topic=a&limit=10001', undefined, 400, 'INVALID_ARGUMENT'],
      ['GET', '/messages?topic=a&__proto__=x', undefined, 400, 'INVALID_ARGUMENT'],
      ['GET', '/messages?topic=%zz', undefined, 400, 'INVALID_ARGUMENT'],
      ['GET', '/messages?topic=%ff', undefined, 400, 'INVALID_ARGUMENT'],
      ['GET', '/%zz', undefined, 400, 'INVALID_ARGUMENT'],
      ['GET', '/pub', undefined, 404, 'INVALID_ARGUMENT'],
      ['POST', '/version', '{}', 404, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', 'null', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '[]', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a"}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a/+","body":""}', 400, 'INVALID_TOPIC'],
      ['POST', '/pub', '{"topic":"$SYS/a","body":""}', 403, 'NOT_AUTHORIZED'],
      ['POST', '/pub', '{"topic":"$SYS/a","body":"","qos":0}', 403, 'NOT_AUTHORIZED'],
      ['POST', '/pub', '{"topic":"$SYS/a","body":"","qos":0,"retain":true}', 403, 'NOT_AUTHORIZED'],
      ['POST', '/pub', '{"topic":"a\\u0000","body":""}', 400, 'INVALID_TOPIC'],
      ['POST', '/pub', '{"topic":"\\ud800","body":""}', 400, 'INVALID_TOPIC'],
      ['POST', '/pub', '{"topic":"a","body":"x","qos":3}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","ttlMs":0}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","ttlMs":"5"}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","key":7}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","key":"\\udc00"}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","headers":[]}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","headers":{"a":1}}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","headers":{"\\ud800":"1"}}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":{},"headers":{"content-type":"x"}}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","headers":{"__proto__":"x"}}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/v1/publish', '{"topic":"a","body":"x","toString":1}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","retain":"yes"}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","extra":1}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"?","encoding":"base64"}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"\\ud800"}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":"x","__proto__":{"polluted":1}}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":{"constructor":{"prototype":{"polluted":1}}}}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":{"k":"\\ud800"}}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', '{"topic":"a","body":[1e400]}', 400, 'INVALID_ARGUMENT'],
      ['POST', '/pub', `{"topic":"a","body":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 400, 'INVALID_ARGUMENT'],
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
    // A refusal is the end of one request and of nothing else.
    expect(await publish(broker, { topic: 'a', body: 'x' })).toMatchObject({ status: 200 })
    expect(await publish(broker, { topic: 'a', body: 'x', qos: 0 })).toMatchObject({ status: 202 })
  })

  test('a message of the greatest size is taken, whatever JSON makes of it', async () => {
    const broker = await startBroker(['--message-bytes-max', '2MiB'])
    const body = 'x'.repeat(2 * 1024 * 1024)
    expect((await publish(broker, { topic: 'a', body })).status).toBe(200)
    const base64 = Buffer.from(body).toString('base64')
    expect((await publish(broker, { topic: 'a', body: base64, encoding: 'base64' })).status).toBe(200)
    expect((await publish(broker, { topic: 'a', body: `${body}x` })).status).toBe(413)
  })

  test('an object may have any names', async () => {
    const broker = await startBroker()
    const body = { toJSON: 1, constructor: 'x', hasOwnProperty: null, length: 0, '': { valueOf: 'y' }, 7: [] }
    expect((await publish(broker, { topic: 'names', body })).status).toBe(200)
    const { json } = await call(broker, 'GET', '/messages?topic=names')
    expect(json['message_list']).toMatchObject([{ value: body, encoding: 'json' }])
  })

  test('from may lie inside a batch, between the batches of a topic, and at the end of the log', async () => {
    const broker = await startBroker()
    const client = await TcpClient.connect(broker.tcp.port)
    client.send(publishPacket(1, batchOf('A', ['a', 'b', 'c'])), publishPacket(2, batchOf('B', ['x', 'y'])))
    client.send(publishPacket(3, batchOf('A', ['d'])))
    const first = (await client.queue.take(PacketType.PUBACK)).baseOffset
    for (let i = 0; i < 2; i++) await client.queue.take(PacketType.PUBACK)
    client.close()
    const valuesFrom = async (offset: number): Promise<unknown[]> => {
      const { json } = await call(broker, 'GET', `/messages?topic=A&from=${offset}`)
      return (json['message_list'] as { value: unknown }[]).map(({ value }) => value)
    }
    expect(await valuesFrom(first + 1)).toEqual(['b', 'c', 'd'])
    expect(await valuesFrom(first + 4)).toEqual(['d'])
    expect(await valuesFrom(first + 6)).toEqual([])
    expect((await call(broker, 'GET', `/messages?topic=A&from=${first + 7}`)).status).toBe(416)
  })

  test('a page that is full does not read the rest of the log to find out whether more follows', async () => {
    const broker = await startBroker()
    for (const topic of ['A', 'B', 'B']) await publish(broker, { topic, body: topic })
    const { json } = await call(broker, 'GET', '/messages?topic=A&limit=1')
    const { offset } = (json['message_list'] as { offset: number }[])[0]!
    expect(json['next']).toBe(offset + 1)
    const last = await call(broker, 'GET', `/messages?topic=A&limit=1&from=${json['next']}`)
    expect(last.json).toEqual({ topic_name: 'A', message_list: [] })
  })

  test('bodies and pages of all requests together are bounded, and what they took is given back', async () => {
    const started = await startBroker()
    const { broker } = started
    const log = pino({ level: 'silent' })
    const options = { broker, messageBytesMax: 8192, httpHosts: [], log, heldBytesMax: 6000 }
    const server = createHttpServer(options)
    onTestFinished(() => server.close())
    await server.listen({ host: '127.0.0.1', port: 0 })
    const { port } = server.server.address() as { port: number }
    const target = { http: { host: '127.0.0.1', port } }
    const large = { topic: 'A', body: 'x'.repeat(4000) }
    for (let i = 0; i < 3; i++) expect(await publish(target, large)).toMatchObject({ status: 200 })
    expect(await publish(target, { topic: 'A', body: 'x'.repeat(7000) })).toMatchObject({
      status: 429,
      json: { code: 'LIMIT_EXCEEDED' },
    })
    expect(await call(target, 'GET', '/messages?topic=A')).toMatchObject({ status: 429 })
    for (let i = 0; i < 3; i++)
      expect(await call(target, 'GET', '/messages?topic=A&limit=1')).toMatchObject({ status: 200 })

    // Half a body is held until its connection goes.
    const half = connect(port, '127.0.0.1')
    half.write(
      'POST /pub HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 8000\r\n\r\n',
    )
    half.write(' '.repeat(5000))
    await expect.poll(async () => (await publish(target, large)).status).toBe(429)
    half.destroy()
    await expect.poll(async () => (await publish(target, large)).status).toBe(200)
  })

  test('only JSON is taken', async () => {
    const broker = await startBroker()
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'application/jsonp',
      '',
    ]) {
      const { status } = await call(broker, 'POST', '/pub', '{"topic":"a","body":"x"}', { 'content-type': type })
      expect(status).toBe(415)
    }
  })

  test('only UTF-8 is taken: nothing is replaced in silence', async () => {
    const broker = await startBroker()
    const body = Buffer.concat([Buffer.from('{"topic":"a","body":"'), Buffer.from([0xff]), Buffer.from('"}')])
    expect(await call(broker, 'POST', '/pub', body)).toMatchObject({ status: 400, json: { code: 'INVALID_ARGUMENT' } })
  })

  test('a body without an announced length is cut off at the bound, with an answer', async () => {
    const broker = await startBroker(['--message-bytes-max', '1KiB'])
    const socket = connect(broker.http!.port, '127.0.0.1')
    socket.write(
      'POST /pub HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`
    socket.write(chunk.repeat(4))
    socket.on('error', () => undefined)
    let answer = ''
    for await (const part of socket) answer += part
    expect(answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*"code":"MESSAGE_TOO_LARGE"/)
  })

  test('requests for a foreign host name or from another origin are refused', async () => {
    const broker = await startBroker(['--http-hosts', 'broker.example'])
    const { port } = broker.http!
    const statusFor = async (headers: Record<string, string>): Promise<number> =>
      (await call(broker, 'GET', '/version', undefined, headers)).status
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      'localhost@evil.example',
      '127.0.0.1:x',
      '[::1',
      'broker.example.',
    ])
      expect(await statusFor({ host }), host).toBe(403)
    expect(await statusFor({ host: `evil.example:${port}` })).toBe(403)
    expect(await statusFor({ host: '127.0.0.1.evil.example' })).toBe(403)
    expect(await statusFor({ host: `localhost:${port}`, origin: 'http://evil.example' })).toBe(403)
    expect(await statusFor({ host: `localhost:${port}`, origin: 'null' })).toBe(403)
    expect(await statusFor({ host: `localhost:${port}`, origin: `http://localhost:${port}` })).toBe(200)
    expect(await statusFor({ host: `broker.example:${port}` })).toBe(200)
    expect(await statusFor({ host: `[::1]:${port}` })).toBe(200)
  })

  if (process.env['GOMQ_LONG'] === '1') {
    test('a header that does not end is cut off', async () => {
      const broker = await startBroker()
      const socket = connect(broker.http!.port, '127.0.0.1')
      socket.write('GET /version HTTP/1.1\r\n')
      const drip = setInterval(() => socket.write('x'), 500)
      onTestFinished(() => clearInterval(drip))
      const startedMs = performance.now()
      socket.on('error', () => undefined)
      await new Promise((resolve) => socket.resume().once('close', resolve))
      expect(performance.now() - startedMs).toBeLessThan(25_000)
    }, 60_000)
  }

  test('health and readiness', async () => {
    const broker = await startBroker()
    expect((await call(broker, 'GET', '/healthz')).json).toMatchObject({
      status: 'ok',
      highWatermark: expect.any(Number),
    })
    expect((await call(broker, 'GET', '/readyz')).json).toEqual({ status: 'ready', publishes: 'taken' })
  })
})
