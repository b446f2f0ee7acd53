import { expect, test } from 'vitest'
import { KeepAlive } from '../../src/session/keep-alive.js'

test('a keep-alive of 0 seconds neither pings nor gives up', () => {
  const keepAlive = new KeepAlive(60_000)
  keepAlive.start(0, 0)
  expect([keepAlive.nextDeadlineMs(), keepAlive.handleTick(1e12, true)]).toEqual([undefined, 'nothing'])
})

test('a ping is due half an interval after either side fell silent, and once for each half', () => {
  const keepAlive = new KeepAlive(60_000)
  keepAlive.start(10, 0)
  keepAlive.sent(4000)
  expect(keepAlive.nextDeadlineMs()).toBe(5000)
  expect([4999, 5000, 5001].map((at) => keepAlive.handleTick(at, true))).toEqual(['nothing', 'ping', 'nothing'])
  expect(keepAlive.handleTick(10_000, true)).toBe('ping')
})

test('nothing heard for 1.5 intervals is death, whatever was sent', () => {
  const keepAlive = new KeepAlive(60_000)
  keepAlive.start(10, 0)
  keepAlive.heard(1000)
  keepAlive.sent(15_000)
  expect([15_999, 16_000].map((at) => keepAlive.handleTick(at, true))).toEqual(['ping', 'dead'])
})

test('while something waits, a ping goes out after half of the patience, and silence for all of it is death', () => {
  const keepAlive = new KeepAlive(4000)
  keepAlive.start(60, 0)
  // Nothing waited for 20 s: that silence does not count.
  expect(keepAlive.handleTick(20_000, true)).toBe('nothing')
  keepAlive.sent(20_000)
  expect(keepAlive.nextDeadlineMs()).toBe(22_000)
  expect([21_999, 22_000].map((at) => keepAlive.handleTick(at, false))).toEqual(['nothing', 'ping'])
  keepAlive.heard(23_000)
  expect([26_999, 27_000].map((at) => keepAlive.handleTick(at, false))).toEqual(['ping', 'dead'])
})

test('what was answered waits no more', () => {
  const keepAlive = new KeepAlive(4000)
  keepAlive.start(60, 0)
  keepAlive.sent(1000)
  keepAlive.heard(1500)
  expect(keepAlive.handleTick(3500, true)).toBe('nothing')
  expect(keepAlive.nextDeadlineMs()).toBe(31_000)
})
