import { BatchBuilder, GomqError, type Offset, type ProducerId, stampLeader, withHoles } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { expect, test } from 'vitest'
import type { Broker } from '../../../src/broker.js'
import { publishOnce } from '../../../src/node/http/idempotency-key.js'

const batchOf = (...values: string[]): Uint8Array => {
  const builder = new BatchBuilder('A', 1)
  for (const value of values) builder.append({ timestampDeltaMs: 0, key: null, value, headers: null })
  return builder.finish({ baseTimestampMs: 0, producerId: 7 as ProducerId, producerEpoch: 0, firstSequence: 0 }, crc32)
}

const storedAt = (offset: number, batch: Uint8Array): Uint8Array => {
  stampLeader(batch, offset as Offset, 1 as never, 0)
  return batch
}

/** Publishes a batch again whose first time was at offset 5; in the log there is `stored` from there on. */
const again = (batch: Uint8Array, ...stored: Uint8Array[]) => readAgain(batch, Promise.resolve({ batches: stored }))

/** The same, and the log answers so when it is read. */
const readAgain = (batch: Uint8Array, answer: Promise<unknown>) => {
  const ack = { baseOffset: 5 as Offset, epoch: 1, durability: 'synced' }
  const door = { publish: () => Promise.resolve(ack) }
  return publishOnce({ door, read: () => answer, logStartOffset: 0 } as unknown as Broker, batch)
}

test('a message that retention has removed meanwhile is answered with where it was, whatever stands behind it', async () => {
  expect((await again(batchOf('x'), storedAt(6, batchOf('y')))).baseOffset).toBe(5)
  expect((await again(batchOf('x'))).baseOffset).toBe(5)
})

test('and so is one that retention removes while it is looked for', async () => {
  const gone = Promise.reject(new GomqError('OFFSET_OUT_OF_RANGE', 'offset 5 is outside the log, 9 to 20'))
  expect((await readAgain(batchOf('x'), gone)).baseOffset).toBe(5)
  const damaged = Promise.reject(new GomqError('CORRUPT_BATCH', 'a bit has flipped'))
  await expect(readAgain(batchOf('x'), damaged)).rejects.toMatchObject({ code: 'CORRUPT_BATCH' })
})

test('of messages of which some are left, these are compared', async () => {
  const left = withHoles(storedAt(5, batchOf('x', 'y', 'z')), (index) => index === 1, crc32)
  expect((await again(batchOf('x', 'y', 'z'), left)).baseOffset).toBe(5)
  expect((await again(batchOf('?', 'y', '?'), left)).baseOffset).toBe(5)
  for (const other of [batchOf('x', '?', 'z'), batchOf('x', 'y'), batchOf('x', 'y', 'z', 'u')])
    await expect(again(other, left)).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' })
})

test('another message in its place is refused', async () => {
  await expect(again(batchOf('x'), storedAt(5, batchOf('y')))).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' })
})
