import { expect, test } from 'vitest'
import type { SubscribeOptions } from '../../src/node/options.js'
import { subscribeRequest } from '../../src/node/subscribe-request.js'

const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' })

test('where every subscription is durable, one without a name is named by its sorted filters', () => {
  expect(subscribeRequest(['b', 'a/#'], {}, true)).toMatchObject({ name: 'a/# b', filters: ['b', 'a/#'] })
  expect(subscribeRequest('b', { name: 'mine' }, true).name).toBe('mine')
  expect(subscribeRequest('b', {}, false).name).toBe(null)
})

test('two subscriptions that differ in their filters have different names, also where a filter holds spaces', () => {
  const lists = [
    ['a b'],
    ['a', 'b'],
    ['a  b'],
    ['a b', 'c'],
    ['a', 'b c'],
    ['a', 'b', 'c'],
    ['a ', 'b'],
    [' a', 'b'],
    ['#', 'b'],
  ]
  const names = lists.map((filters) => subscribeRequest(filters, {}, true).name)
  expect(new Set(names).size).toBe(lists.length)
  expect(names[0]).toBe('a##b')
})

test('a name is at most 1,024 bytes long, also one made of filters', () => {
  expect(subscribeRequest('a', { name: 'n'.repeat(1024) }, false).name?.length).toBe(1024)
  expect(() => subscribeRequest('a', { name: 'é'.repeat(513) }, false)).toThrow(invalid)
  expect(() => subscribeRequest(['a'.repeat(600), 'b'.repeat(600)], {}, true)).toThrow(invalid)
})

test('the QoS is 0, 1 or 2', () => {
  expect(([0, 1, 2] as const).map((qos) => subscribeRequest('a', { qos }, false).qos)).toEqual([0, 1, 2])
  expect(() => subscribeRequest('a', { qos: 3 as never }, false)).toThrow(invalid)
})

test('retained messages come first for those who start with what is new, and else when asked for', () => {
  const retained = (options: SubscribeOptions) => subscribeRequest('a', options, false).retained
  expect([
    retained({}),
    retained({ from: 'new' }),
    retained({ from: 'earliest' }),
    retained({ from: { offset: 1 } }),
  ]).toEqual([true, true, false, false])
  expect([retained({ retained: false }), retained({ from: 'earliest', retained: true })]).toEqual([false, true])
})
