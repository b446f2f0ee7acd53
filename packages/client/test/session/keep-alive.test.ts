import { expect, test } from 'vitest'
import { KeepAlive } from '../../src/session/keep-alive.js'

test('a keep-alive of 0 seconds neither pings nor gives up', () => {
  const keepAlive = new KeepAlive()
  keepAlive.start(0, 0)
  expect([keepAlive.nextDeadlineMs(), keepAlive.handleTick(1e12)]).toEqual([undefined, 'nothing'])
})

test('a ping is due half an interval after either side fell silent, and once for each half', () => {
  const keepAlive = new KeepAlive()
  keepAlive.start(10, 0)
  keepAlive.sent(4000)
  expect(keepAlive.nextDeadlineMs()).toBe(5000)
  expect([4999, 5000, 5001].map((at) => keepAlive.handleTick(at))).toEqual(['nothing', 'ping', 'nothing'])
  expect(keepAlive.handleTick(10_000)).toBe('ping')
})

test('nothing heard for 1.5 intervals is death, whatever was sent', () => {
  const keepAlive = new KeepAlive()
  keepAlive.start(10, 0)
  keepAlive.heard(1000)
  keepAlive.sent(15_000)
  expect([15_999, 16_000].map((at) => keepAlive.handleTick(at))).toEqual(['ping', 'dead'])
})
