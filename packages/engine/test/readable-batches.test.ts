import { epoch, type Inflate, NO_OFFSET, offset, stampLeader, stampUnlogged } from '@gomq/protocol'
import { crc32, inflate } from '@gomq/protocol/node'
import { expect, test } from 'vitest'
import { ReadableBatches } from '../src/readable-batches.js'
import { batchOf } from './support/client-batch.js'

test('a batch that is asked for again, also as other bytes of the log, is decompressed once', () => {
  let calls = 0
  const counting: Inflate = (bytes, length) => {
    calls++
    return inflate(bytes, length)
  }
  const readable = new ReadableBatches(counting, crc32)
  const stamped = (value: string, at: number, reign = 1) => {
    const batch = batchOf('a', [value], { isCompressed: true })
    stampLeader(batch, offset(at), epoch(reign), 1)
    return batch
  }
  const first = stamped('x', 7)
  expect(readable.of(first)).toBe(readable.of(first.slice()))
  expect(calls).toBe(1)
  for (const other of [stamped('y', 7), stamped('x', 8), stamped('x', 7, 2)]) {
    const before = calls
    const plain = readable.of(other)
    expect([calls, plain === readable.of(first)]).toEqual([before + 1, false])
  }
})

test('messages that are in no log are told apart although they have no offset', () => {
  const readable = new ReadableBatches(inflate, crc32)
  const [a, b] = ['x', 'x'].map((value) => batchOf('a', [value], { isCompressed: true, qos: 0 }))
  for (const batch of [a!, b!]) stampUnlogged(batch, 1, crc32)
  expect(NO_OFFSET).toBe(-1)
  expect(readable.of(a!)).not.toBe(readable.of(b!))
})
