import { GomqError, type Offset } from '@gomq/client'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Payload, Publisher } from '../src/publisher.js'

/** A client that takes every message at once and settles a call when it is told to, or refuses a message that is `refused`. */
class FakeClient {
  readonly taken: Payload[] = []
  readonly calls: { resolve(): void; reject(error: Error): void }[] = []
  #nextOffset = 100

  async publishAll(
    _topic: string,
    values: Iterable<unknown> | AsyncIterable<unknown>,
  ): Promise<{ count: number; lastOffset: Offset }> {
    const settled = new Promise<void>((resolve, reject) => this.calls.push({ resolve, reject }))
    let count = 0
    for await (const value of values) {
      if (value === 'refused') throw new GomqError('MESSAGE_TOO_LARGE', 'too large')
      this.taken.push(value as Payload)
      count++
    }
    this.#nextOffset += count
    const lastOffset = (this.#nextOffset - 1) as Offset
    await settled
    return { count, lastOffset }
  }
}

const large = 'x'.repeat(20_000)

test('messages are handed over in order without waiting for the success of those before', async () => {
  const client = new FakeClient()
  const publisher = new Publisher(client, 'A', {})
  await publisher.publish(['a', 'b'])
  await publisher.publish(['c'])
  expect(client.taken).toEqual(['a', 'b', 'c'])
  for (const call of client.calls) call.resolve()
  expect(await publisher.finish()).toMatchObject({
    handedOver: 3,
    succeeded: 3,
    lastOffset: 102,
    failure: undefined,
    isCountExact: true,
  })
})

test('a group needs one call, whatever the number of its messages', async () => {
  const client = new FakeClient()
  await new Publisher(client, 'A', {}).publish(Array.from({ length: 10_000 }, String))
  expect(client.calls).toHaveLength(1)
})

test('any mix of large and small messages arrives whole and in order', async () => {
  const payload = fc.oneof(fc.string(), fc.constant(large), fc.uint8Array())
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(payload)), async (groups) => {
      const client = new FakeClient()
      const publisher = new Publisher(client, 'A', {})
      for (const group of groups) await publisher.publish(group)
      expect(client.taken).toEqual(groups.flat())
      for (const call of client.calls) call.resolve()
      expect((await publisher.finish()).succeeded).toBe(groups.flat().length)
    }),
  )
})

test('finish waits for everything that is under way', async () => {
  const client = new FakeClient()
  const publisher = new Publisher(client, 'A', {})
  await publisher.publish(['a'])
  let isFinished = false
  const finished = publisher.finish().then(() => (isFinished = true))
  await Promise.resolve()
  expect(isFinished).toBe(false)
  client.calls[0]!.resolve()
  await finished
})

test('a large message that is refused is named, and the count of the others is exact', async () => {
  const client = new FakeClient()
  client.publishAll = async (_topic, values) => {
    for await (const value of values) if (value === large) throw new GomqError('MESSAGE_TOO_LARGE', 'too large')
    return { count: 2, lastOffset: 1 as Offset }
  }
  const publisher = new Publisher(client, 'A', {})
  await publisher.publish(['a', 'b', large, 'c'])
  await publisher.failed
  expect(await publisher.finish()).toMatchObject({
    succeeded: 2,
    failedAt: 3,
    isCountExact: true,
    failure: { code: 'MESSAGE_TOO_LARGE' },
  })
})

test('after a failure nothing more is published', async () => {
  const client = new FakeClient()
  const publisher = new Publisher(client, 'A', {})
  await publisher.publish(['refused'])
  await publisher.failed
  await publisher.publish(['a'])
  expect(client.taken).toEqual([])
  expect((await publisher.finish()).handedOver).toBe(1)
})

test('when one of many fails, the count of those that succeeded is a lower bound', async () => {
  const client = new FakeClient()
  const publisher = new Publisher(client, 'A', {})
  await publisher.publish(['a', 'b'])
  await publisher.publish(['c', 'refused', 'd'])
  client.calls[0]!.resolve()
  expect(await publisher.finish()).toMatchObject({ succeeded: 2, isCountExact: false, failedAt: undefined })
})

test('success is told as it comes', async () => {
  const client = new FakeClient()
  const told: number[] = []
  const publisher = new Publisher(client, 'A', {}, (count) => told.push(count))
  await publisher.publish(['a', 'b'])
  await publisher.publish(['c'])
  for (const call of client.calls) call.resolve()
  await publisher.finish()
  expect(told).toEqual([2, 3])
})
