import { expect, test } from 'vitest'
import { BenchConsumer } from '../../src/bench/bench-consumer.js'
import { END_SEQUENCE, Stamp } from '../../src/bench/stamp.js'

const RUN = 7

function message(sequence: number, { run = RUN, producer = 0, fromMs = 10 } = {}): { bytes: Uint8Array } {
  const bytes = new Uint8Array(50)
  new Stamp().write(bytes, run, producer, sequence, fromMs)
  return { bytes }
}

const consumerAt = (nowMs: number, producers = 1) => new BenchConsumer(RUN, producers, () => nowMs)

test('a consumer counts each message once, and measures it the first time', () => {
  const consumer = consumerAt(30)
  consumer.handle(message(0))
  consumer.handle(message(1))
  consumer.handle(message(1))
  expect([consumer.tally.seen, consumer.tally.doubled, consumer.latency.count]).toEqual([2, 1, 2])
  expect([consumer.latency.maxMs, consumer.received.messages, consumer.received.bytesPerSec]).toEqual([20, 2, 5000])
})

test('messages of the warm-up are counted and not measured', () => {
  const consumer = consumerAt(30)
  consumer.handle(message(0, { fromMs: -1 }))
  expect([consumer.tally.seen, consumer.latency.count, consumer.received.messages]).toEqual([1, 0, 0])
})

test('messages of others are told apart', () => {
  const consumer = consumerAt(30)
  consumer.handle({ bytes: new TextEncoder().encode('hello') })
  consumer.handle(message(0, { run: 8 }))
  consumer.handle(message(0, { producer: 1 }))
  expect([consumer.foreign, consumer.tally.seen]).toEqual([3, 0])
})

test('a consumer has everything when every producer has said that it ended', () => {
  const consumer = consumerAt(30, 2)
  consumer.handle(message(END_SEQUENCE))
  consumer.handle(message(END_SEQUENCE))
  expect(consumer.isEnded).toBe(false)
  consumer.handle(message(END_SEQUENCE, { producer: 1 }))
  expect([consumer.isEnded, consumer.tally.seen, consumer.foreign]).toEqual([true, 0, 0])
})
