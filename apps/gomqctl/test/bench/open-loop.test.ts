import { expect, test } from 'vitest'
import { OpenLoop, shareOf } from '../../src/bench/open-loop.js'

test('the producers of an open loop take turns, and keep the rate together', () => {
  const loops = [0, 1].map((producer) => new OpenLoop(100, 1000, producer, 2))
  const timesMs = [0, 1, 2].flatMap((sequence) => loops.map((loop) => loop.intendedMs(sequence)))
  expect(timesMs).toEqual([100, 101, 102, 103, 104, 105])
})

test('the time of a message does not drift, however many came before it', () => {
  expect(new OpenLoop(0, 3, 0, 1).intendedMs(3_000_000)).toBe(1e9)
})

test('messages are shared so that nothing is lost, and nobody has more than one more than another', () => {
  for (const [messages, producers] of [
    [10, 3],
    [2, 5],
    [9, 3],
    [1, 1],
  ] as const) {
    const shares = Array.from({ length: producers }, (_, producer) => shareOf(messages, producer, producers))
    expect(shares.reduce((sum, each) => sum + each)).toBe(messages)
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
  }
})
