import { Attribute, BatchBuilder, type Epoch, GomqError, NO_OFFSET, type Offset } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { BATCH_BYTES_MAX, BATCH_OPEN_SHARE, BATCH_RECORDS_MAX } from '../../src/session/limits.js'
import { type PublishAck, PublishBatch } from '../../src/session/publish-batch.js'
import { message, Outcome } from '../harness/messages.js'

const properties = (attributes = 1, ttlMs = 0) => ({ attributes, ttlMs })
const open = (attributes = 1) => new PublishBatch(new BatchBuilder('t', attributes), 100, 1000)

test('a batch takes what has its attributes, time to live and timeout, while it is open, young and small', () => {
  const batch = open()
  expect(batch.takes(properties(), 100, 10, 1000)).toBe(true)
  expect(batch.takes(properties(1 | Attribute.KEYED), 100, 10, 1000)).toBe(false)
  expect(batch.takes(properties(), 101, 10, 1000)).toBe(false)
  expect(batch.takes(properties(), 100, BATCH_BYTES_MAX, 1000)).toBe(false)
  expect(batch.takes(properties(), 100, 10, 1001 + 100 * BATCH_OPEN_SHARE)).toBe(false)
  expect(batch.takes(properties(1, 5), 100, 10, 1000)).toBe(false)
  batch.recordCount = BATCH_RECORDS_MAX
  expect(batch.takes(properties(), 100, 10, 1000)).toBe(false)
  expect(open(1 | Attribute.RETAIN).takes(properties(1 | Attribute.RETAIN), 100, 10, 1000)).toBe(false)
})

test('each publish of a batch gets its own offset, or none when the broker does not tell', () => {
  for (const base of [7, NO_OFFSET]) {
    const batch = open()
    const outcomes = [new Outcome<PublishAck>(), new Outcome<PublishAck>()]
    for (const outcome of outcomes) batch.append(message('t', 'x'), outcome)
    batch.resolve(base as Offset, 3 as Epoch, 'synced')
    batch.reject(new GomqError('CLOSED', 'later'))
    expect(outcomes.map((each) => each.value?.offset)).toEqual(base === NO_OFFSET ? [-1, -1] : [7, 8])
    expect(batch.isSettled).toBe(true)
  }
})

test('a sealed batch gives its builder back once and takes nothing more', () => {
  const batch = open()
  batch.append(message('t', 'x'), new Outcome<PublishAck>())
  expect(batch.seal()).toBeInstanceOf(BatchBuilder)
  expect([batch.seal(), batch.takes(properties(), 100, 1, 1000)]).toEqual([null, false])
  expect(batch.bytes.byteLength).toBeGreaterThan(batch.recordsBytes)
})
