import { type Epoch, GomqError, type Offset } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { publishAll } from '../../src/node/publish-all.js'
import type { PublishAck } from '../../src/session/publish-batch.js'
import type { Waiter } from '../../src/session/waiter.js'

function port(failAt = -1) {
  const taken: unknown[] = []
  const publish = (value: unknown, waiter: Waiter<PublishAck>) => {
    const at = taken.push(value) - 1
    queueMicrotask(() => {
      if (at === failAt) waiter.reject(new GomqError('DISK_FULL', ''))
      else waiter.resolve({ offset: at as Offset, epoch: 1 as Epoch, durability: 'synced' })
    })
  }
  return { taken, publish, room: () => undefined }
}

test('publishes all of an iterable or an async iterable and resolves with their number and the last offset', async () => {
  async function* source() {
    yield* [1, 2, 3]
  }
  for (const values of [[1, 2, 3], source()])
    expect(await publishAll(values, port(), undefined)).toEqual({ count: 3, lastOffset: 2 })
  expect(await publishAll([], port(), undefined)).toEqual({ count: 0, lastOffset: -1 })
})

test('stops at the first failure, also while the source or the room is waited for', async () => {
  let isReturned = false
  const hanging = {
    [Symbol.asyncIterator]: () => {
      let n = 0
      return {
        next: () => (n++ < 1 ? Promise.resolve({ done: false, value: n }) : new Promise<never>(() => {})),
        return: () => {
          isReturned = true
          return new Promise<never>(() => {})
        },
      }
    },
  }
  await expect(publishAll(hanging, port(0), undefined)).rejects.toMatchObject({ code: 'DISK_FULL' })
  expect(isReturned).toBe(true)
  const full = { ...port(0), room: () => new Promise<void>(() => {}) }
  await expect(publishAll([1, 2], full, undefined)).rejects.toMatchObject({ code: 'DISK_FULL' })
})

test('ends with its signal, before, while it waits for the source, and while it waits for answers', async () => {
  const hang = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
  const mute = { publish() {}, room: () => undefined }
  for (const values of [hang, [1]]) {
    await expect(publishAll(values, mute, AbortSignal.timeout(5))).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(publishAll(values, mute, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' })
  }
})

test('throws what the source throws', async () => {
  async function* broken() {
    yield 1
    throw new Error('source')
  }
  await expect(publishAll(broken(), port(), undefined)).rejects.toThrow('source')
})
