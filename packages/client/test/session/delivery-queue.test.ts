import { DeliveredRecords } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { expect, test } from 'vitest'
import { DeliveryQueue } from '../../src/session/delivery-queue.js'
import { batchAt } from '../harness/scripted-broker.js'

const records = (offset: number, ...values: string[]) =>
  DeliveredRecords.ofBatch(batchAt(offset, 't', ...values), crc32)

function offsets(queue: DeliveryQueue): number[] {
  const out: number[] = []
  while (queue.advance()) out.push(queue.records.offsetAt(queue.index))
  return out
}

test('records come out in the order of their deliveries, also when more come meanwhile', () => {
  const queue = new DeliveryQueue()
  for (let i = 0; i < 200; i++) queue.push(records(i * 2, 'a', 'b'), 0)
  expect([queue.advance(), queue.advance(), queue.advance()]).toEqual([true, true, true])
  queue.push(records(400, 'c'), 0)
  expect(offsets(queue)).toEqual(Array.from({ length: 398 }, (_, i) => i + 3))
  expect(queue.advance()).toBe(false)
})

test('every record is waiting or consumed, in number and bytes, and dropped ones are consumed', () => {
  const queue = new DeliveryQueue()
  const three = records(0, 'a', 'bb', 'ccc')
  queue.push(three, 1)
  queue.push(records(9, 'd'), 1)
  expect([queue.messages, queue.consumedMessages]).toEqual([2, 2])
  const total = queue.bytes + queue.consumedBytes
  expect(offsets(queue)).toEqual([1, 2])
  expect([queue.messages, queue.bytes, queue.consumedMessages, queue.consumedBytes]).toEqual([0, 0, 4, total])
  queue.resetConsumed()
  expect([queue.consumedMessages, queue.consumedBytes]).toEqual([0, 0])
})

test('a cleared queue hands out nothing, and goes on with what comes after', () => {
  const queue = new DeliveryQueue()
  queue.push(records(0, 'a', 'b'), 0)
  queue.advance()
  queue.clear()
  expect([queue.advance(), queue.messages, queue.bytes]).toEqual([false, 0, 0])
  queue.push(records(5, 'c'), 0)
  expect(offsets(queue)).toEqual([5])
})
