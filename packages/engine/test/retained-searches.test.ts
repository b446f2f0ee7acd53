import { encodeMsgpack, OffsetRanges, PacketType } from '@gomq/protocol'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { RETAINED_FOUND_AT_ONCE, RETAINED_SEARCH_STEPS } from '../src/limits.js'
import { RetainedMessages } from '../src/retained-messages.js'
import { EngineBench } from './support/engine-bench.js'

/** More than are found at once. Every second offset, so that no two make one range. */
const TOPICS = RETAINED_FOUND_AT_ONCE + 20_000
const BATCH_RECORDS = 1_000

/** A log of so many records, every second of which counts as the retained message of a topic; a client 1. */
function withMany(): EngineBench {
  const bench = new EngineBench()
  while (bench.logEnd < 2 * TOPICS) bench.publishFrom('a', Array<string>(BATCH_RECORDS).fill('x'))
  for (let i = 0; i < TOPICS; i++)
    // In another order than that of the offsets.
    bench.engine.restoreEntry(encodeMsgpack([4, `t/${i % 300}/${i}`, offsetOf((i * 7919) % TOPICS)]))
  bench.connect(1, 'c')
  return bench
}

/** The epoch's record stands at 0. */
const offsetOf = (i: number) => 2 * i + 1

/** Counts, for as long as the test runs, nodes that are visited and ranges that are put down: the work of a search. */
function countWork(): { units: number } {
  const work = { units: 0 }
  const { visit } = RetainedMessages.prototype
  vi.spyOn(RetainedMessages.prototype, 'visit').mockImplementation(function* (this: RetainedMessages, filter) {
    for (const offset of visit.call(this, filter)) {
      work.units++
      yield offset
    }
  })
  const { add } = OffsetRanges.prototype
  vi.spyOn(OffsetRanges.prototype, 'add').mockImplementation(function (this: OffsetRanges, from, to) {
    work.units++
    add.call(this, from, to)
  })
  return work
}

/** Goes on turn by turn until nothing is left to do. @returns the most work in one turn */
function runTurns(bench: EngineBench, work: { units: number }, begin: () => void): number {
  let unitsMax = 0
  const turn = (run: () => void) => {
    work.units = 0
    run()
    unitsMax = Math.max(unitsMax, work.units)
  }
  turn(begin)
  while (bench.wakes > 0 || bench.reads.length > 0) {
    if (bench.wakes > 0) turn(() => bench.wake())
    if (bench.reads.length > 0) turn(() => bench.answerRead())
  }
  return unitsMax
}

afterEach(() => vi.restoreAllMocks())

describe('a subscription to more retained messages than are found at once', () => {
  test('gets each once, oldest first, and no turn does more than a bounded part of the work', () => {
    const bench = withMany()
    const work = countWork()
    const unitsMax = runTurns(bench, work, () => bench.subscribe(1, 1, ['#'], { retained: true }))
    expect(unitsMax).toBeGreaterThan(RETAINED_SEARCH_STEPS / 2)
    expect(unitsMax).toBeLessThanOrEqual(RETAINED_SEARCH_STEPS)
    const offsets = bench.takeDelivered(1).map(({ offset }) => offset)
    expect(offsets.length).toBe(TOPICS)
    expect(offsets.every((offset, i) => offset === offsetOf(i))).toBe(true)
    bench.publishFrom('live', ['later'])
    expect(bench.takeTexts(1)).toEqual(['later'])
  })

  test('looks for the next ones when it has got the first, as they are by then', () => {
    const bench = withMany()
    const first = RETAINED_FOUND_AT_ONCE
    bench.subscribe(1, 1, ['#'], { retained: true, messages: first - 1 })
    bench.commitAll()
    expect(bench.takeDelivered(1).at(-1)?.offset).toBe(offsetOf(first - 2))
    // Topics of the next portion: one is replaced, one is cleared.
    const topicAt = (i: number) => {
      for (let at = 0; at < TOPICS; at++) if ((at * 7919) % TOPICS === i) return `t/${at % 300}/${at}`
      throw new Error('no topic')
    }
    bench.publishFrom(topicAt(first), ['newer'], { retain: true })
    bench.publishFrom(topicAt(first + 1), [''], { retain: true })
    bench.packet(1, { type: PacketType.CREDIT, subscriptionId: 1, messages: TOPICS, bytes: 1e9 })
    bench.commitAll()
    const delivered = bench.takeDelivered(1)
    expect(delivered.slice(0, 2).map(({ offset }) => offset)).toEqual([offsetOf(first - 1), offsetOf(first + 2)])
    expect(delivered.slice(-2).map(({ text }) => text)).toEqual(['newer', ''])
    expect(delivered.length).toBe(TOPICS - first + 1)
  })

  test('that ends while they are looked for is left alone, and the next one has its turn', () => {
    const bench = withMany()
    bench.connect(2, null)
    bench.take(2)
    bench.subscribe(1, 1, ['#'], { retained: true })
    while (!(bench.sent.get(1) ?? []).some(({ type }) => type === PacketType.SUBACK)) bench.wake()
    while (bench.wakes === 0) bench.answerRead()
    bench.subscribe(2, 1, ['t/#'], { retained: true })
    bench.lose(1)
    bench.commitAll()
    // What was put down as retained for the test is of another topic: nothing comes.
    expect(bench.take(2).map(({ type }) => type)).toEqual([PacketType.SUBACK, PacketType.TAIL])
    expect([bench.wakes, bench.reads.length]).toEqual([0, 0])
  })
})
