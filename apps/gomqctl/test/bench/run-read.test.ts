import { expect, test } from 'vitest'
import type { ReadPlan } from '../../src/bench/bench-plan.js'
import { Reader } from '../../src/bench/run-read.js'

type Plan = Pick<ReadPlan, 'from' | 'messages' | 'durationMs' | 'warmupShare'>

/** A reader that subscribed at 1000 ms and got messages of 10 bytes at these times. */
function readerOf(plan: Partial<Plan>, timesMs: readonly number[]): Reader {
  let nowMs = 1000
  const all = { from: 'earliest', messages: undefined, durationMs: undefined, warmupShare: 0.1, ...plan } as Plan
  const reader = new Reader(all, 1000, () => nowMs)
  for (const timeMs of timesMs) {
    nowMs = timeMs
    reader.handle(10)
  }
  return reader
}

test('what is stored is measured from the subscription on', () => {
  const { messages, received } = readerOf({}, [1500, 1600, 2000])
  expect([messages, received.messages, received.elapsedMs, received.messagesPerSec]).toEqual([3, 3, 1000, 3])
})

test('what comes is measured from its first message, which is not counted', () => {
  const { messages, received } = readerOf({ from: 'new', durationMs: 10_000, warmupShare: 0 }, [5000, 5500, 6000])
  expect([messages, received.messages, received.elapsedMs]).toEqual([3, 2, 1000])
})

test('after a warm-up of messages its last one starts the clock', () => {
  const { received } = readerOf({ messages: 10, warmupShare: 0.2 }, [1100, 1200, 1700, 2200])
  expect([received.messages, received.elapsedMs]).toEqual([2, 1000])
})

test('after a warm-up of time its end starts the clock', () => {
  const { received } = readerOf({ durationMs: 5000, warmupShare: 0.2 }, [1100, 1900, 2500, 3000])
  expect([received.messages, received.elapsedMs]).toEqual([2, 1000])
})
