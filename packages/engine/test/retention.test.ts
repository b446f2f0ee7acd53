import { baseOffsetOf, type Offset, PacketType, RETENTION_DEFAULTS } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { ACKED_CURSOR_OFFSETS, POLICIES_MAX } from '../src/limits.js'
import { EngineBench } from './support/engine-bench.js'

const floorsOf = (bench: EngineBench) =>
  Object.fromEntries(bench.engine.listing.policies().map(({ policy, before }) => [policy.filter, before]))
const ticks = (bench: EngineBench) => bench.controlRecords().filter(({ kind }) => kind === 'retentionTick')
const policyOf = (filter: string) => ({ ...RETENTION_DEFAULTS, filter })

describe('a policy', () => {
  test('holds once its record has committed, and over a restart', () => {
    const bench = new EngineBench()
    let held = 0
    bench.engine.putPolicy({ ...policyOf('a'), maxAgeMs: 1000 }, bench.nowMs, () => held++)
    expect([held, bench.engine.listing.policy('a')]).toEqual([0, undefined])
    bench.commitAll()
    expect(held).toBe(1)
    bench.crash()
    expect(bench.engine.listing.policy('a')).toEqual({ policy: { ...policyOf('a'), maxAgeMs: 1000 }, before: 0 })
  })

  test('that is not valid is refused', () => {
    const bench = new EngineBench()
    const put = (fields: object) => () => bench.engine.putPolicy({ ...policyOf('a'), ...fields }, bench.nowMs)
    expect(put({ filter: 'a/#/b' })).toThrow(expect.objectContaining({ code: 'INVALID_FILTER' }))
    expect(put({ maxCount: 0 })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  test(`is one of ${POLICIES_MAX} at most, those on their way included`, () => {
    const bench = new EngineBench()
    for (let i = 0; i < POLICIES_MAX; i++) bench.engine.putPolicy(policyOf(`t/${i}`), bench.nowMs)
    const put = (filter: string) => () => bench.engine.putPolicy(policyOf(filter), bench.nowMs)
    expect(put('more')).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
    expect(put('t/1')).not.toThrow()
    bench.engine.removePolicy('t/2', bench.nowMs)
    expect(put('more')).not.toThrow()
    bench.commitAll()
    expect(bench.engine.stats['policies']).toBe(POLICIES_MAX)
    expect(put('yet another')).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
  })

  test('that is not there cannot be removed, nor twice', () => {
    const bench = new EngineBench()
    const remove = () => bench.engine.removePolicy('a', bench.nowMs)
    expect(remove).toThrow(expect.objectContaining({ code: 'NO_SUCH_POLICY' }))
    bench.putPolicy('a')
    remove()
    expect(remove).toThrow(expect.objectContaining({ code: 'NO_SUCH_POLICY' }))
    bench.commitAll()
    expect(bench.engine.listing.policies()).toEqual([])
  })

  test('is kept by the leader only', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    const { version } = bench.engine.retentionRules()
    bench.engine.handleTruncated(bench.logEnd as Offset, bench.nowMs)
    expect(() => bench.engine.putPolicy(policyOf('b'), bench.nowMs)).toThrow(
      expect.objectContaining({ code: 'NOT_LEADER' }),
    )
    expect(bench.engine.handleSurvey([{ filter: 'a', before: 1 as Offset }], version, bench.nowMs)).toBe(undefined)
  })
})

test('the cleaner gets the policies with their floors, and the offset of every retained message', () => {
  const bench = new EngineBench()
  bench.publishFrom('b', ['x'], { retain: true })
  bench.publishFrom('a', ['x'], { retain: true })
  bench.putPolicy('c')
  expect(bench.engine.retentionRules().rules).toEqual([{ policy: policyOf('c'), before: 0 }])
  const { listing } = bench.engine
  const { count, offsets } = bench.engine.retainedOffsets()
  expect([count, new Set(offsets)]).toEqual([
    2,
    new Set([listing.retainedOffsetOf('b'), listing.retainedOffsetOf('a')]),
  ])
})

describe('a survey', () => {
  test('raises floors with one record, and with none if nothing rises', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    bench.putPolicy('b')
    bench.publishFrom('a', ['1', '2', '3'])
    expect(bench.survey(['a', 3], ['b', 2])).toBe(true)
    expect(floorsOf(bench)).toEqual({ a: 0, b: 0 })
    expect(bench.survey(['a', 3]), 'the tick is on its way').toBe(false)
    bench.commitAll()
    expect(floorsOf(bench)).toEqual({ a: 3, b: 2 })
    expect(bench.survey(['a', 3], ['b', 1])).toBe(false)
    expect(bench.survey(['a', 4], ['b', 1])).toBe(true)
    bench.commitAll()
    expect(floorsOf(bench)).toEqual({ a: 4, b: 2 })
    expect(ticks(bench).at(-1)).toEqual({ kind: 'retentionTick', floors: [['a', 4]] })
  })

  test('says which offset has to commit', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    const { version } = bench.engine.retentionRules()
    const end = bench.engine.handleSurvey([{ filter: 'a', before: 1 as Offset }], version, bench.nowMs)
    expect(end).toBe(bench.logEnd)
  })

  test('raises nothing above what has committed', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    const { highWatermark } = bench
    bench.raise(['a', 1_000_000])
    expect(floorsOf(bench)).toEqual({ a: highWatermark })
  })

  test('of policies that have changed since raises nothing, nor while one is about to change', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    const { version } = bench.engine.retentionRules()
    const survey = () => bench.engine.handleSurvey([{ filter: 'a', before: 2 as Offset }], version, bench.nowMs)
    bench.engine.putPolicy({ ...policyOf('a'), maxAgeMs: 1 }, bench.nowMs)
    expect(survey()).toBe(undefined)
    bench.commitAll()
    expect(survey()).toBe(undefined)
    expect(bench.survey(['a', 2])).toBe(true)
  })
})

describe('acked', () => {
  /** A durable subscriber on connection `id`. */
  function subscriber(bench: EngineBench, id: number, filters: string[]): void {
    bench.connect(id, `c${id}`)
    bench.subscribe(id, 1, filters, { name: 's' })
    bench.commitAll()
    bench.take(id)
  }

  function ack(bench: EngineBench, id: number, from: number, to: number): void {
    const requestId = bench.requestId()
    bench.packet(id, { type: PacketType.ACK, requestId, subscriptionId: 1, ranges: [from, to] })
    bench.commitAll()
  }

  function publish(bench: EngineBench, topic: string, ...values: string[]): number[] {
    const offsets: number[] = []
    for (const value of values) {
      bench.publishFrom(topic, [value])
      offsets.push(baseOffsetOf(bench.dataBatches().at(-1)!))
    }
    return offsets
  }

  test('removes nothing while no durable subscription overlaps', () => {
    const bench = new EngineBench()
    bench.putPolicy('jobs/#', { isAckedRemoved: true })
    subscriber(bench, 1, ['other'])
    publish(bench, 'jobs/a', '1')
    expect(bench.survey()).toBe(false)
  })

  test('removes what every durable subscription has acknowledged, and no more', () => {
    const bench = new EngineBench()
    bench.putPolicy('jobs/#', { isAckedRemoved: true })
    subscriber(bench, 1, ['jobs/#'])
    subscriber(bench, 2, ['jobs/a'])
    const [first, second] = publish(bench, 'jobs/a', '1', '2') as [number, number]
    ack(bench, 1, first, second + 1)
    bench.raise()
    expect(floorsOf(bench)['jobs/#']).toBeLessThanOrEqual(first)
    ack(bench, 2, first, first + 1)
    bench.raise()
    expect(floorsOf(bench)['jobs/#']).toBe(second)
    ack(bench, 2, second, second + 1)
    bench.raise()
    expect(floorsOf(bench)['jobs/#']).toBeGreaterThan(second)
  })

  test('waits for a subscription whose record is on its way', () => {
    const bench = new EngineBench()
    bench.putPolicy('jobs/#', { isAckedRemoved: true })
    subscriber(bench, 1, ['jobs/#'])
    const [first] = publish(bench, 'jobs/a', '1') as [number]
    ack(bench, 1, first, first + 1)
    bench.connect(2, 'c2')
    bench.subscribe(2, 1, ['jobs/+'], { name: 's', from: { kind: 'offset', offset: first as Offset } })
    bench.raise()
    expect(floorsOf(bench)['jobs/#']).toBeLessThanOrEqual(first)
    expect(bench.takeTexts(2)).toEqual(['1'])
  })

  test('goes by what has committed', () => {
    const bench = new EngineBench()
    bench.putPolicy('jobs/#', { isAckedRemoved: true })
    subscriber(bench, 1, ['jobs/#'])
    const [first] = publish(bench, 'jobs/a', '1') as [number]
    const requestId = bench.requestId()
    bench.packet(1, { type: PacketType.ACK, requestId, subscriptionId: 1, ranges: [first, first + 1] })
    bench.survey()
    bench.crash()
    expect(floorsOf(bench)['jobs/#']).toBeLessThanOrEqual(first)
  })

  test('keeps the place of an idle subscription that is far behind its position, once', () => {
    const bench = new EngineBench()
    bench.putPolicy('jobs/#', { isAckedRemoved: true })
    subscriber(bench, 1, ['jobs/rare'])
    const batch = Array.from({ length: 10_000 }, () => 'x')
    for (let at = 0; at <= ACKED_CURSOR_OFFSETS + 10_000; at += batch.length) bench.publishFrom('jobs/often', batch)
    const end = bench.logEnd
    bench.raise()
    bench.raise()
    expect(floorsOf(bench)['jobs/#']).toBeGreaterThanOrEqual(end)
    const cursors = () => bench.controlRecords().filter(({ kind }) => kind === 'cursor').length
    const before = cursors()
    for (let i = 0; i < 5; i++) bench.raise()
    expect(cursors()).toBe(before)
  })
})
