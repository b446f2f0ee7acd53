import { epoch, NO_OFFSET, type Offset, recordCountOf, stampLeader } from '@gomq/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PRODUCER_IDLE_MS, PRODUCER_WINDOW_BATCHES } from '../src/limits.js'
import { Producers } from '../src/producers.js'
import { StateRows } from '../src/state-rows.js'
import { batchOf } from './support/client-batch.js'

/** Producers, and the log that they were told of. */
class Bench {
  producers = new Producers()
  logEnd = 0
  highWatermark = Number.POSITIVE_INFINITY

  /** Appends a batch without a judgement. */
  append(id: number, sequence: number, count = 1, epochOfProducer = 0, atMs = 1000): number {
    const batch = build(id, sequence, count, epochOfProducer)
    stampLeader(batch, this.logEnd as Offset, epoch(1), atMs)
    this.producers.apply(batch, this.highWatermark)
    this.logEnd += recordCountOf(batch)
    return this.logEnd - count
  }

  judge(id: number, sequence: number, count = 1, epochOfProducer = 0) {
    return this.producers.judge(build(id, sequence, count, epochOfProducer))
  }

  /** A copy by way of a snapshot. */
  restored(highWatermark: number): Producers {
    const producers = new Producers()
    for (const entry of this.producers.entries(highWatermark)) producers.restore(StateRows.of([entry]))
    return producers
  }
}

function build(id: number, sequence: number, count: number, epochOfProducer: number): Uint8Array {
  const values = Array.from({ length: count }, () => 'x')
  return batchOf('a', values, { id, sequence, epoch: epochOfProducer })
}

describe('a batch of a producer is', () => {
  test('always new without a producer id, and nothing is remembered of it', () => {
    const bench = new Bench()
    bench.append(0, 0)
    expect(bench.judge(0, 0)).toEqual({ kind: 'new' })
    expect(bench.producers.count).toBe(0)
  })

  test('new if it follows the last one, whatever the topic and the size', () => {
    const bench = new Bench()
    bench.append(7, 0, 3)
    bench.append(7, 3, 2)
    expect(bench.judge(7, 5, 10)).toEqual({ kind: 'new' })
    expect(bench.judge(8, 0)).toEqual({ kind: 'new' })
  })

  test('a duplicate with the place of the original if it is in the window', () => {
    const bench = new Bench()
    bench.append(7, 0, 3)
    bench.append(8, 0)
    const base = bench.append(7, 3, 2)
    expect(bench.judge(7, 3, 2)).toEqual({ kind: 'duplicate', baseOffset: base, endOffset: base + 2 })
  })

  test('a duplicate without a place if it is older than the window, committed when the window begins', () => {
    const bench = new Bench()
    for (let i = 0; i <= PRODUCER_WINDOW_BATCHES + 5; i++) bench.append(7, i)
    expect(bench.judge(7, 6)).toMatchObject({ baseOffset: 6 })
    expect(bench.judge(7, 5)).toEqual({ kind: 'duplicate', baseOffset: NO_OFFSET, endOffset: 6 })
  })

  test('out of sequence if one before it is missing', () => {
    const bench = new Bench()
    bench.append(7, 0, 3)
    expect(() => bench.judge(7, 4)).toThrow(/sent sequence 4; expected 3/)
  })

  test('out of sequence if it begins with known records and ends with new ones', () => {
    const bench = new Bench()
    bench.append(7, 0, 3)
    bench.append(7, 3, 3)
    expect(() => bench.judge(7, 3, 4)).toThrow(expect.objectContaining({ code: 'OUT_OF_SEQUENCE' }))
    expect(() => bench.judge(7, 4, 4)).toThrow(expect.objectContaining({ code: 'OUT_OF_SEQUENCE' }))
    expect(bench.judge(7, 4, 2).kind).toBe('duplicate')
  })

  test('of unknown outcome if the producer is not known, and it is not its first', () => {
    expect(() => new Bench().judge(7, 1)).toThrow(expect.objectContaining({ code: 'OUTCOME_UNKNOWN' }))
  })

  test('fenced if a newer epoch of the producer is at work', () => {
    const bench = new Bench()
    bench.append(7, 0, 1, 1)
    expect(() => bench.judge(7, 0, 1, 0)).toThrow(expect.objectContaining({ code: 'PRODUCER_FENCED' }))
  })

  test('the first of a newer epoch with sequence 0, and the window of the older one is gone', () => {
    const bench = new Bench()
    bench.append(7, 0, 5)
    expect(bench.judge(7, 0, 1, 1)).toEqual({ kind: 'new' })
    expect(() => bench.judge(7, 5, 1, 1)).toThrow(expect.objectContaining({ code: 'OUT_OF_SEQUENCE' }))
    bench.append(7, 0, 2, 1)
    expect(bench.judge(7, 2, 1, 1)).toEqual({ kind: 'new' })
    expect(bench.judge(7, 0, 2, 1)).toMatchObject({ kind: 'duplicate', baseOffset: 5 })
  })
})

test('sequences go round after 2^32 - 1', () => {
  const bench = new Bench()
  const last = 0xffff_fffe
  bench.producers.restore(StateRows.of([[7, 0, last, 1000, 0, [last - 1, 0, 1]]]))
  bench.logEnd = 1
  const base = bench.append(7, last, 4)
  expect(bench.judge(7, 2)).toEqual({ kind: 'new' })
  expect(bench.judge(7, last, 4)).toMatchObject({ kind: 'duplicate', baseOffset: base })
  expect(bench.judge(7, last - 1).kind).toBe('duplicate')
  expect(() => bench.judge(7, 3)).toThrow(expect.objectContaining({ code: 'OUT_OF_SEQUENCE' }))
})

describe('producers are forgotten', () => {
  test('by a record, unless they have published since', () => {
    const bench = new Bench()
    bench.append(7, 0)
    bench.append(8, 0)
    bench.producers.forget([7, 9], 1)
    expect(bench.producers.count).toBe(1)
    bench.producers.forget([8], 1)
    expect(bench.producers.count).toBe(1)
    expect(bench.judge(7, 0)).toEqual({ kind: 'new' })
  })

  test('after 7 idle days, and not before', () => {
    const bench = new Bench()
    bench.append(7, 0, 1, 0, 1000)
    bench.append(8, 0, 1, 0, 2000)
    expect(bench.producers.idle(1000 + PRODUCER_IDLE_MS)).toEqual([])
    expect(bench.producers.idle(1001 + PRODUCER_IDLE_MS)).toEqual([7])
  })

  test('the longest idle ones first when there are too many, and none with a batch on its way', () => {
    const bench = new Bench()
    for (const id of [5, 6, 7, 8, 5, 9]) bench.append(id, id === 5 && bench.logEnd > 0 ? 1 : 0)
    const later = Number.POSITIVE_INFINITY
    expect(bench.producers.longestIdle(2, later, 100)).toEqual([6, 7])
    expect(bench.producers.longestIdle(10, later, 4)).toEqual([6, 7, 8])
    expect(bench.producers.longestIdle(0, later, 100)).toEqual([])
  })

  test('the longest idle ones, but none that was seen lately', () => {
    const bench = new Bench()
    bench.append(7, 0, 1, 0, 1000)
    bench.append(8, 0, 1, 0, 2000)
    bench.append(9, 0, 1, 0, 3000)
    expect(bench.producers.longestIdle(10, 2000, 100)).toEqual([7, 8])
  })
})

test('a truncation takes back exactly what it cut, as long as the window reaches back', () => {
  const step = fc.record({ id: fc.integer({ min: 1, max: 3 }), count: fc.integer({ min: 1, max: 3 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.nat(40), (steps, keep) => {
      const bench = new Bench()
      const twin = new Bench()
      const next = new Map<number, number>()
      for (const [i, { id, count }] of steps.entries()) {
        const sequence = next.get(id) ?? 0
        next.set(id, sequence + count)
        bench.append(id, sequence, count)
        if (i < keep) twin.append(id, sequence, count)
      }
      bench.producers.truncate(twin.logEnd)
      for (const id of [1, 2, 3]) {
        for (let sequence = 0; sequence < 8; sequence++) {
          const outcome = (of: Bench) => {
            try {
              return of.judge(id, sequence)
            } catch (error) {
              return (error as Error).message
            }
          }
          expect(outcome(bench)).toEqual(outcome(twin))
        }
      }
    }),
  )
})

describe('a snapshot', () => {
  test('holds what has committed of every producer', () => {
    const bench = new Bench()
    for (let i = 0; i < 100; i++) bench.append(7, i)
    bench.append(8, 0, 5, 3)
    const pending = bench.logEnd
    bench.append(8, 5, 1, 3)
    bench.append(9, 0)
    const restored = bench.restored(pending)
    expect(restored.count).toBe(2)
    expect(restored.judge(build(8, 5, 1, 3))).toEqual({ kind: 'new' })
    expect(restored.judge(build(8, 0, 5, 3))).toMatchObject({ kind: 'duplicate', baseOffset: 100 })
    expect(restored.judge(build(7, 99, 1, 0))).toMatchObject({ kind: 'duplicate', baseOffset: 99 })
    expect([...restored.entries(pending)]).toEqual([...bench.producers.entries(pending)])
  })

  test('holds the whole window of a producer, however many of its batches are on their way', () => {
    const bench = new Bench()
    const committed = 2 * PRODUCER_WINDOW_BATCHES
    for (let i = 0; i < committed; i++) bench.append(7, i)
    bench.highWatermark = committed
    for (let i = committed; i < 2 * committed; i++) bench.append(7, i)
    const restored = bench.restored(committed)
    expect(restored.judge(build(7, committed, 1, 0))).toEqual({ kind: 'new' })
    for (let i = committed - PRODUCER_WINDOW_BATCHES; i < committed; i++)
      expect(restored.judge(build(7, i, 1, 0))).toMatchObject({ kind: 'duplicate', baseOffset: i })
    bench.producers.truncate(committed)
    expect(bench.judge(7, committed)).toEqual({ kind: 'new' })
  })

  test('is no larger than a window when the batches have committed', () => {
    const bench = new Bench()
    bench.highWatermark = 0
    const count = 3 * PRODUCER_WINDOW_BATCHES
    for (let i = 0; i < count; i++) bench.append(7, i)
    const [entry] = [...bench.producers.entries(count)]
    expect((entry![5] as number[]).length).toBe(3 * PRODUCER_WINDOW_BATCHES)
  })
})

test('applying a stretch of the log again changes nothing', () => {
  const bench = new Bench()
  for (let i = 0; i < 10; i++) bench.append(7, i)
  const before = [...bench.producers.entries(100)]
  bench.logEnd = 3
  for (let i = 3; i < 10; i++) bench.append(7, i)
  expect([...bench.producers.entries(100)]).toEqual(before)
})
