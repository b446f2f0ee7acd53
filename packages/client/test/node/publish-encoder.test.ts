import { Attribute } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { PublishEncoder } from '../../src/node/publish-encoder.js'

const encoder = new PublishEncoder(777)

test('what holds for a whole batch stands in its attributes', () => {
  expect(encoder.encode('t', 'x', {}, 0)).toMatchObject({ attributes: 1, ttlMs: 0, timeoutMs: 777 })
  const all = encoder.encode('t', 'x', { qos: 2, retain: true, key: 'k', ttlMs: 5, timeoutMs: 1 }, 0)
  const attributes = 2 | Attribute.RETAIN | Attribute.KEYED | Attribute.EXPIRING
  expect(all).toMatchObject({ attributes, ttlMs: 5, timeoutMs: 1 })
})

test('a time to live is a whole number of milliseconds from 1', () => {
  for (const ttlMs of [0, -1, 0.5, Number.NaN])
    expect(() => encoder.encode('t', 'x', { ttlMs }, 0)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})

test('a topic of the broker is refused before anything is sent', () => {
  for (const topic of ['$', '$sys/x', '$sys/x'])
    expect(() => encoder.encode(topic, 'x', { qos: 0 }, 0)).toThrow(expect.objectContaining({ code: 'NOT_AUTHORIZED' }))
  expect(encoder.encode('a/$', 'x', {}, 0).topic).toBe('a/$')
})
