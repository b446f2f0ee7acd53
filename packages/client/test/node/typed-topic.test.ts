import * as v from 'valibot'
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import type { GomqClient } from '../../src/node/client.js'
import { connect } from '../../src/node/connect.js'
import type { InvalidMessageError } from '../../src/node/typed-message.js'
import { LoopbackBroker } from '../harness/loopback-broker.js'

let server: LoopbackBroker
let mq: GomqClient
beforeEach(async () => {
  server = await LoopbackBroker.start()
  mq = await connect(server.url, { clientId: 'c' })
})
afterEach(async () => {
  await mq.close()
  await server.stop()
})

const tags = { a: 1 }
const order = z.object({ id: z.number(), note: z.string().default('none'), tags: z.record(z.string(), z.number()) })
const asyncOrder = v.pipeAsync(
  v.object({ id: v.number() }),
  v.checkAsync(async ({ id }) => id > 0, 'id is too small'),
)

describe('a typed topic', () => {
  test('publishes what its schema takes and yields what the schema makes of it, with the types of both', async () => {
    const orders = mq.topic('orders', order)
    expectTypeOf(orders.publish)
      .parameter(0)
      .toEqualTypeOf<{ id: number; note?: string | undefined; tags: Record<string, number> }>()
    const subscription = await orders.subscribe({ name: 'd' })
    await orders.publish({ id: 7, tags })
    for await (const message of subscription) {
      expectTypeOf(message.value).toEqualTypeOf<{ id: number; note: string; tags: Record<string, number> }>()
      expect(message.value).toEqual({ id: 7, note: 'none', tags })
      expect([message.topic, message.offset, message.qos]).toEqual(['orders', 100, 1])
      await message.ack()
      break
    }
    expect(server.acked).toEqual([[100, 101]])
  })

  test('refuses what does not fit without sending it, and says where', async () => {
    const failure = mq.topic('orders', order).publish({ id: 'x', tags } as never)
    await expect(failure).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', issues: [{ path: ['id'] }] })
    await expect(failure).rejects.toThrow(/'orders': id: /)
    expect(server.batches('orders')).toEqual([])
  })

  test('takes schemas that answer later, of any library', async () => {
    const orders = mq.topic('orders', asyncOrder)
    expectTypeOf(orders.publish).parameter(0).toEqualTypeOf<{ id: number }>()
    const subscription = await orders.subscribe()
    await expect(orders.publish({ id: 0 })).rejects.toMatchObject({ issues: [{ message: 'id is too small' }] })
    await orders.publish({ id: 1 })
    const { value } = await subscription.next()
    expectTypeOf(value!.value).toEqualTypeOf<{ id: number }>()
    expect(value!.value).toEqual({ id: 1 })
  })

  test('throws what does not fit with the message, so that it can be acknowledged, and goes on behind it', async () => {
    const subscription = await mq.topic('orders', order).subscribe({ name: 'd' })
    await mq.publish('orders', { id: 'bad' })
    await mq.publish('orders', { id: 1, tags })
    const error = (await subscription.next().catch((reason) => reason)) as InvalidMessageError
    expect(error).toMatchObject({ code: 'BAD_RECORD' })
    expect(error.issues.map((each) => each.path)).toEqual([['id'], ['tags']])
    expect(error.source.value).toEqual({ id: 'bad' })
    await error.source.ack()
    expect(server.acked).toEqual([[100, 101]])
    expect((await subscription.next()).value!.value.id).toBe(1)
  })

  test('tells onInvalid instead, also of what cannot be decoded, and passes it', async () => {
    const told: InvalidMessageError[] = []
    const onInvalid = (error: InvalidMessageError) => void told.push(error)
    const subscription = await mq.topic('orders', order).subscribe({ onInvalid })
    const headers = { 'content-type': 'application/msgpack' }
    await mq.publish('orders', new Uint8Array([0xc1]), { headers })
    await mq.publish('orders', 'text')
    await mq.publish('orders', { id: 1, tags })
    expect((await subscription.next()).value!.value.id).toBe(1)
    expect(told.map((each) => each.issues.length)).toEqual([0, 1])
    expect(told[0]!.cause).toMatchObject({ code: 'BAD_RECORD' })
  })

  test('with automatic acknowledgement passes what onInvalid was told of, and never what was thrown', async () => {
    const subscription = await mq.topic('orders', order).subscribe({ name: 'd', ack: 'auto', onInvalid: () => {} })
    await mq.publish('orders', 'bad')
    await mq.publish('orders', { id: 1, tags })
    await subscription.next()
    await subscription.close()
    expect(server.acked).toEqual([[100, 101]])
  })
})
