import { DeliveredRecords, type Packet, PacketType, ttlMsOf } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { GomqClient } from '../../src/node/client.js'
import { connect } from '../../src/node/connect.js'
import { LoopbackBroker } from '../harness/loopback-broker.js'

let server: LoopbackBroker
let mq: GomqClient
beforeEach(async () => {
  server = await LoopbackBroker.start()
  mq = await connect(server.url, { clientId: 'c', cleanSession: false, reconnect: { minMs: 5, maxMs: 20 } })
})
afterEach(async () => {
  await mq.close()
  await server.stop()
})

/** Answers every request to `topic` with what `answer` makes of its text. */
async function respond(topic: string, answer: (text: string) => unknown, times = 1): Promise<void> {
  const requests = await mq.subscribe(topic)
  void (async () => {
    for await (const request of requests)
      for (let i = 0; i < times; i++) await request.reply(answer(request.text), { headers: { by: `${i}` } })
  })()
}

describe('a request', () => {
  test('is answered by whoever replies first, each request with its own answer', async () => {
    await respond('double', (text) => ({ twice: Number(text) * 2 }), 2)
    const answers = await Promise.all([1, 2, 3].map((each) => mq.request('double', `${each}`)))
    expect(answers.map((each) => [each.value, each.headers?.['by'], each.qos])).toEqual([
      [{ twice: 2 }, '0', 0],
      [{ twice: 4 }, '0', 0],
      [{ twice: 6 }, '0', 0],
    ])
  })

  test('listens for answers with one subscription of QoS 0 that is not durable, and lives no longer than its timeout', async () => {
    await respond('echo', (text) => text)
    await mq.request('echo', 'a', { timeoutMs: 900, headers: { own: 'x' } })
    await mq.request('echo', 'b')
    const listening = server.subscribes('reply/')
    expect(listening.map((each) => [each.qos, each.name, each.retained])).toEqual([[0, null, false]])
    const request = server.batches('echo')[0]!
    expect(ttlMsOf(request)).toBe(900)
    expect(DeliveredRecords.ofBatch(request, crc32).record(0).headers).toMatchObject({
      own: 'x',
      'reply-to': listening[0]!.filters[0],
      'correlation-id': '1',
    })
  })

  test('without an answer fails with TIMEOUT, and an answer that comes later is ignored', async () => {
    const requests = await mq.subscribe('slow')
    const timedOut = mq.request('slow', 'x', { timeoutMs: 40 })
    const late = (await requests.next()).value!
    await expect(timedOut).rejects.toMatchObject({ code: 'TIMEOUT' })
    await late.reply('late')
    await respond('fast', () => 'in time')
    expect((await mq.request('fast', 'x')).text).toBe('in time')
  })

  test('settles when it is aborted, when it cannot be published, and when the client is closed', async () => {
    const controller = new AbortController()
    const aborted = mq.request('nobody', 'x', { signal: controller.signal })
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(mq.request('nobody', 'x', { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(mq.request('a/#', 'x')).rejects.toMatchObject({ code: 'INVALID_TOPIC' })
    await expect(mq.request('a', 'x', { timeoutMs: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    const left = mq.request('nobody', 'x')
    const settled = expect(left).rejects.toMatchObject({ code: 'CLOSED' })
    await new Promise((resolve) => setTimeout(resolve, 20))
    await mq.close()
    await settled
    await expect(mq.request('nobody', 'x')).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('after one that could not listen listens again', async () => {
    let refusals = 1
    server.intercept = (packet: Packet) =>
      packet.type === PacketType.SUBSCRIBE && refusals-- > 0
        ? [{ type: PacketType.ERROR, requestId: packet.requestId, code: 'LIMIT_EXCEEDED', message: '' }]
        : undefined
    await expect(mq.request('echo', 'x')).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
    await respond('echo', (text) => text)
    expect((await mq.request('echo', 'y')).text).toBe('y')
  })

  test('goes on over a lost connection', async () => {
    await respond('echo', (text) => text)
    await mq.request('echo', 'x')
    server.drop()
    expect((await mq.request('echo', 'y')).text).toBe('y')
  })
})

test('a message that asks for no answer cannot be answered', async () => {
  const subscription = await mq.subscribe('plain')
  await mq.publish('plain', 'x')
  await expect((await subscription.next()).value!.reply('y')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})
