import { expect, test } from 'vitest'
import { Meter } from '../../src/bench/meter.js'

test('a meter counts from its earliest start to its last count', () => {
  const meter = new Meter()
  meter.begin(1000)
  meter.begin(1500)
  meter.count(10, 2000)
  meter.count(30, 3000)
  expect([meter.messages, meter.elapsedMs, meter.messagesPerSec, meter.bytesPerSec]).toEqual([2, 2000, 1, 20])
})

test('a meter that counted nothing has zeros', () => {
  const meter = new Meter()
  expect([meter.elapsedMs, meter.messagesPerSec]).toEqual([0, 0])
  meter.begin(5)
  meter.add(new Meter())
  expect([meter.messages, meter.elapsedMs, meter.messagesPerSec]).toEqual([0, 0, 0])
})

test('two meters together count from the earlier start to the later end', () => {
  const [first, second] = [new Meter(), new Meter()]
  first.begin(0)
  first.count(1, 1000)
  second.begin(500)
  second.count(1, 4000)
  first.add(second)
  expect([first.messages, first.elapsedMs]).toEqual([2, 4000])
})
