import { PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { startBroker } from '../../harness/broker-process.js'
import { call, type HttpTarget, publish } from '../../harness/http-client.js'
import { batchOf, connectPacket, subscribePacket } from '../../harness/packets.js'
import { TcpClient } from '../../harness/tcp-client.js'

type Items = Record<string, unknown>[]

/** Every entry of a list, page by page. */
async function all(broker: HttpTarget, path: string, limit: number): Promise<Items> {
  const items: Items = []
  let after: string | undefined
  do {
    const place = after === undefined ? '' : `&after=${encodeURIComponent(after)}`
    const { status, json } = await call(broker, 'GET', `${path}?limit=${limit}${place}`)
    expect(status).toBe(200)
    expect((json['items'] as Items).length).toBeLessThanOrEqual(limit)
    items.push(...(json['items'] as Items))
    after = json['next'] as string | undefined
  } while (after !== undefined)
  return items
}

describe('lists', () => {
  test('GET /v1/topics names topics in order, with the offset of what is retained', async () => {
    const broker = await startBroker()
    const names = ['b', 'a/1', 'a', 'ü', 'Z', '😀', 'a/2']
    for (const topic of names) await publish(broker, { topic, body: 'x' })
    const { json } = await publish(broker, { topic: 'a/2', body: 'x', retain: true })
    await publish(broker, { topic: 'b', body: 'x', retain: true })
    await publish(broker, { topic: 'b', body: '', retain: true })
    for (const limit of [1, 2, 3, 1000]) {
      const topics = await all(broker, '/v1/topics', limit)
      expect(topics.map(({ topic }) => topic)).toEqual([...names].sort())
      expect(topics.filter(({ retainedOffset }) => retainedOffset !== null)).toEqual([
        { topic: 'a/2', retainedOffset: json['offset'] },
      ])
    }
  })

  test('GET /v1/sessions shows what is kept for a client, and never what its will says', async () => {
    const broker = await startBroker()
    const will = batchOf('w', ['secret'])
    const client = await TcpClient.open(broker.tcp.port)
    client.send(connectPacket({ clientId: 'c1', will, willDelaySec: 600, sessionExpirySec: 1000 }))
    await client.queue.take(PacketType.CONNACK)
    const other = await TcpClient.connect(broker.tcp.port, 'c0')
    other.send(subscribePacket({ name: 'n' }))
    await other.queue.take(PacketType.SUBACK)
    await TcpClient.connect(broker.tcp.port, 'nothing to keep')
    const expected = [
      { clientId: 'c0', connected: true, expirySec: 604_800, closedAt: null, subscriptions: 1, hasWill: false },
      { clientId: 'c1', connected: true, expirySec: 1000, closedAt: null, subscriptions: 0, hasWill: true },
    ]
    expect(await all(broker, '/v1/sessions', 1)).toEqual(expected)
    client.close()
    await expect
      .poll(() => all(broker, '/v1/sessions', 100))
      .toEqual([expected[0], { ...expected[1], connected: false, closedAt: expect.any(Number) }])
    expect(JSON.stringify(await all(broker, '/v1/sessions', 100))).not.toContain('secret')
    other.close()
  })

  test('GET /v1/subscriptions shows how far each has come', async () => {
    const broker = await startBroker()
    const client = await TcpClient.connect(broker.tcp.port, 'c')
    client.send(subscribePacket({ name: 'n', filters: ['a', 'b/#'], qos: 1 }))
    await client.queue.take(PacketType.SUBACK)
    for (const body of ['1', '2', '3']) await publish(broker, { topic: 'a', body })
    const [first] = await client.queue.messages(3)
    client.send({
      type: PacketType.ACK,
      requestId: 9,
      subscriptionId: 1,
      ranges: [first!.offset, first!.offset + 1],
    })
    await client.queue.take(PacketType.ACKED)
    const common = { clientId: 'c', name: 'n', filters: ['a', 'b/#'], qos: 1 }
    await expect
      .poll(() => all(broker, '/v1/subscriptions', 10))
      .toEqual([{ ...common, attached: true, unacked: 2, lag: 0, position: broker.broker.highWatermark }])
    client.close()
    await expect
      .poll(async () => (await all(broker, '/v1/subscriptions', 10))[0])
      .toMatchObject({ ...common, attached: false, unacked: 2 })
    await publish(broker, { topic: 'other', body: 'x' })
    const { lag, position } = (await all(broker, '/v1/subscriptions', 10))[0] as { lag: number; position: number }
    expect(lag).toBe(broker.broker.highWatermark - position)
    expect(lag).toBeGreaterThan(0)
  })

  test('pages of subscriptions go through the names of a client and on to the next client', async () => {
    const broker = await startBroker()
    const expected: string[] = []
    for (const clientId of ['a', 'b', 'ü']) {
      const client = await TcpClient.connect(broker.tcp.port, clientId)
      for (let id = 1; id <= 7; id++) {
        client.send(subscribePacket({ requestId: id, subscriptionId: id, name: `${id % 3}-${id}` }))
        await client.queue.take(PacketType.SUBACK)
        expected.push(`${clientId} ${id % 3}-${id}`)
      }
      client.close()
    }
    for (const limit of [1, 2, 7, 8, 20, 21, 1000]) {
      const found = await all(broker, '/v1/subscriptions', limit)
      expect(found.map(({ clientId, name }) => `${clientId} ${name}`)).toEqual([...expected].sort())
    }
  })

  test('bad places and limits are refused', async () => {
    const broker = await startBroker()
    for (const path of [
      'topics?limit=1001',
      'sessions?limit=0',
      'subscriptions?after=x',
      'subscriptions?after=_w',
      'topics?x=1',
    ])
      expect(await call(broker, 'GET', `/v1/${path}`), path).toMatchObject({
        status: 400,
        json: { code: 'INVALID_ARGUMENT' },
      })
  })
})
