import { checkBatch, DeliveredRecords, firstSequenceOf, producerEpochOf, producerIdOf, ttlMsOf } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { expect, test } from 'vitest'
import { Introduction } from '../../src/session/introduction.js'
import { message } from '../harness/messages.js'
import { CLIENT } from '../harness/session-pair.js'

const will = { request: message('last/c', 'gone', { attributes: 0x25, ttlMs: 500 }), delaySec: 9 }

test('a clean session discards what was kept until the broker has taken the client in, and never again', () => {
  const introduction = new Introduction({ ...CLIENT, cleanSession: true })
  const asked = () => introduction.packet(1, 1000).cleanSession
  expect([asked(), asked()]).toEqual([true, true])
  introduction.handleEstablished()
  expect([asked(), asked()]).toEqual([false, false])
})

test('a will is a batch of one record that the broker takes, the first of a producer of its own', () => {
  const packet = new Introduction({ ...CLIENT, will }).packet(1, 1000)
  expect([checkBatch(packet.will!, { messageBytesMax: 100 }, crc32), packet.willDelaySec]).toEqual(['last/c', 9])
  const records = DeliveredRecords.ofBatch(packet.will!, crc32)
  expect([records.count, records.attributes, ttlMsOf(packet.will!), records.baseTimestampMs]).toEqual([
    1, 0x25, 500, 1000,
  ])
  expect(new TextDecoder().decode(records.record(0).value)).toBe('gone')
  expect([producerEpochOf(packet.will!), firstSequenceOf(packet.will!)]).toEqual([0, 0])
  expect(producerIdOf(packet.will!)).toBeGreaterThan(0)
})

test('each connection owes a will of its own: no two have the same producer', () => {
  const introduction = new Introduction({ ...CLIENT, will })
  const producers = Array.from({ length: 5 }, () => producerIdOf(introduction.packet(1, 1000).will!))
  expect(new Set(producers).size).toBe(5)
})

test('a client without a will owes none', () => {
  expect(new Introduction(CLIENT).packet(1, 1000)).toMatchObject({ will: null, willDelaySec: 0, authMethod: null })
})
