import { expect, test } from 'vitest'
import { RateMeter } from '../../src/workers/rate-meter.js'

function meterWith(clock: { sec: number }): RateMeter {
  return new RateMeter(() => BigInt(clock.sec * 1e9))
}

test('all messages since the start count, over the time until the stop', () => {
  const clock = { sec: 0 }
  const meter = meterWith(clock)
  meter.add(7)
  clock.sec = 10
  meter.start()
  clock.sec = 12
  meter.add(30)
  meter.add(10)
  clock.sec = 14
  meter.stop()
  expect([meter.seen, meter.ratePerSec]).toEqual([40, 10])
})

test('without a message there is no rate', () => {
  const meter = meterWith({ sec: 1 })
  meter.start()
  meter.stop()
  expect(meter.ratePerSec).toBe(0)
})

test('a start may be a moment before now: when the first message should have been sent', () => {
  const clock = { sec: 10 }
  const meter = meterWith(clock)
  meter.start(8_000_000_000n)
  meter.add(40)
  meter.stop()
  expect(meter.ratePerSec).toBe(20)
})
