import { expect, test } from 'vitest'
import { nextRound, type Round, type WarmUp, warmUp } from '../../src/workers/warm-up.js'

/** Rounds of a system that does so many messages a second. */
function roundsOf(ratePerSec: number, bounds: WarmUp, messageBytes = 100): Round[] {
  const rounds: Round[] = []
  for (;;) {
    const messages = nextRound(bounds, messageBytes, rounds)
    if (messages <= 0) return rounds
    rounds.push({ messages, sec: messages / ratePerSec })
  }
}

function sum(rounds: readonly Round[], field: keyof Round): number {
  return rounds.reduce((total, round) => total + round[field], 0)
}

test.each([500, 20_000, 1_000_000])('a warm-up at %d messages a second takes the time that it has', (ratePerSec) => {
  const seconds = sum(roundsOf(ratePerSec, { messages: 1e9, sec: 1 }), 'sec')
  expect(seconds).toBeGreaterThan(0.9)
  expect(seconds).toBeLessThan(1.1)
})

test('it takes no more messages than it may', () => {
  expect(sum(roundsOf(1_000_000, { messages: 5000, sec: 1 }), 'messages')).toBe(5000)
})

test('a slow system has one round, of few messages where they are large', () => {
  expect(roundsOf(10, { messages: 1e6, sec: 1 })).toEqual([{ messages: 100, sec: 10 }])
  expect(roundsOf(10, { messages: 1e6, sec: 1 }, 1024 * 1024)[0]!.messages).toBe(64)
})

test('time does not end it before all that is touched later was touched', () => {
  expect(sum(roundsOf(1000, { messages: 1e6, sec: 1, messagesMin: 20_000 }), 'messages')).toBe(20_000)
})

test('a rest of time that is not worth a round is left, so that the last round says what the rate is', () => {
  const rounds = roundsOf(1000, { messages: 1e6, sec: 1 })
  expect(rounds.at(-1)!.sec).toBeGreaterThan(0.05)
})

test('the rate is that of the largest round, not of the handful that was left', async () => {
  const counts: number[] = []
  const publish = async (_from: number, count: number): Promise<void> => {
    counts.push(count)
    await new Promise((resolve) => setTimeout(resolve, count >= 800 ? 1 : 50))
  }
  const { messages, ratePerSec } = await warmUp({ messages: 1000, sec: 60 }, 100, publish)
  expect([messages, counts]).toEqual([1000, [100, 800, 100]])
  expect(ratePerSec).toBeGreaterThan(100 / 0.05)
})
