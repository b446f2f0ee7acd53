import { describe, expect, test } from 'vitest'
import type { BenchFlags } from '../../src/bench/bench-flags.js'
import { planOf } from '../../src/bench/plan-of.js'

const FLAGS: BenchFlags = {
  ...{ size: 100, producers: 1, consumers: 1, topics: 1, rate: 0, window: 10_000, warmup: 0.1, from: 'new' },
}
const GLOBALS = { topic: [], qos: 1, retain: false } as const

const planWith = (kind: Parameters<typeof planOf>[0], flags: Partial<BenchFlags> = {}, globals = {}) =>
  planOf(kind, { ...FLAGS, ...flags }, { ...GLOBALS, ...globals }, 0xbeef)

describe('a plan', () => {
  test('has a topic of its own unless one is named', () => {
    expect(planWith('pub')).toMatchObject({
      topic: 'bench/0000beef',
      topics: ['bench/0000beef'],
      filter: 'bench/0000beef',
    })
    expect(planWith('pub', {}, { topic: ['A'] })).toMatchObject({ topics: ['A'], filter: 'A' })
    expect(planWith('e2e', { topics: 2 }, { topic: ['A'] })).toMatchObject({ topics: ['A/0', 'A/1'], filter: 'A/+' })
  })

  test('ends after 10 seconds unless something else is said', () => {
    expect(planWith('pub')).toMatchObject({ messages: undefined, durationMs: 10_000 })
    expect(planWith('pub', { messages: 7 })).toMatchObject({ messages: 7 })
    expect(planWith('sub', {}, { topic: ['#'] })).toMatchObject({ messages: undefined, durationMs: 10_000 })
    expect(planWith('sub', { from: 'earliest' }, { topic: ['#'] })).toMatchObject({
      durationMs: undefined,
      warmupShare: 0,
    })
    expect(planWith('sub', { messages: 7 }, { topic: ['#'] })).toMatchObject({ messages: 7, durationMs: undefined })
  })

  test('sends at a rate whatever is due within the time', () => {
    expect(planWith('latency', { rate: 1000, duration: 2500 })).toMatchObject({ messages: 2500, ratePerSec: 1000 })
    expect(planWith('latency', { rate: 0.1, duration: 1000 })).toMatchObject({ messages: 1 })
  })

  test('has consumers where something is delivered', () => {
    expect(planWith('pub', { consumers: 3 })).toMatchObject({ consumers: 0 })
    expect(planWith('e2e', { consumers: 3 })).toMatchObject({ consumers: 3 })
  })

  test.each([
    ['pub', { messages: 1, duration: 1 }, {}, /--messages and --duration/],
    ['pub', {}, { retain: true }, /leave --retain out/],
    ['pub', {}, { topic: ['A', 'B'] }, /^bench pub takes one topic and 2 are given/],
    ['e2e', {}, { topic: ['A/#'] }, /wildcard/],
    ['e2e', { size: 23 }, {}, /bench e2e needs 24 bytes at least/],
    ['latency', { rate: 0 }, {}, /above 0/],
    ['sub', {}, {}, /no topic is given to read/],
  ] as const)('%s with %j %j is refused', (kind, flags, globals, why) => {
    expect(() => planWith(kind, flags, globals)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(why) }),
    )
  })
})
