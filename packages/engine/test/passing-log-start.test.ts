import { type Offset, PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { EngineBench } from './support/engine-bench.js'
import { comeBack, EARLIEST, leftBehind, publishEach, unackedOf } from './support/overtaken.js'

describe('the start of the log', () => {
  test('is where earliest begins, as it is now', () => {
    const bench = new EngineBench()
    publishEach(bench, 'a', '1')
    const [second] = publishEach(bench, 'a', '2')
    bench.moveStart(second)
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], EARLIEST)
    bench.commitAll()
    expect(bench.take(1).find(({ type }) => type === PacketType.SUBACK)).toMatchObject({ startOffset: second })
  })

  test('is where an offset below it begins, which misses what was removed', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    const [first] = publishEach(bench, 'a', '1')
    const [second] = publishEach(bench, 'a', '2')
    bench.raise(['a', second])
    bench.moveStart(second)
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], { from: { kind: 'offset', offset: first as Offset } })
    bench.commitAll()
    expect(bench.sent.get(1)?.find(({ type }) => type === PacketType.SUBACK)).toMatchObject({ startOffset: second })
    expect(bench.takeMissed(1)).toEqual([[first, second]])
    expect(bench.takeTexts(1)).toEqual(['2'])
  })

  test('passes a consumer that is behind: it goes on there and has missed what was below', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    const [from, to] = leftBehind(bench, '1', '2')
    publishEach(bench, 'a', '3')
    const [fourth] = publishEach(bench, 'a', '4')
    bench.raise(['a', fourth])
    bench.moveStart(fourth)
    comeBack(bench)
    expect(bench.takeMissed(2)).toEqual([[from, fourth]])
    expect(bench.takeTexts(2)).toEqual(['4'])
    expect(unackedOf(bench)).toBe(1)
    expect(to).toBeLessThan(fourth)
  })

  test('that moves while a read is under way ends no connection: reading goes on there', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    const [first] = publishEach(bench, 'a', '1')
    const [second] = publishEach(bench, 'a', '2')
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], { from: { kind: 'offset', offset: first as Offset } })
    bench.raise(['a', second])
    bench.take(1)
    bench.subscribe(1, 2, ['a'], { from: { kind: 'offset', offset: first as Offset } })
    bench.logStart = second
    bench.commitAll()
    expect(bench.closed.has(1)).toBe(false)
    expect(bench.takeMissed(1)).toEqual([[first, second]])
    expect(bench.takeTexts(1)).toEqual(['2'])
  })

  test('does not excuse a read that fails for another reason', () => {
    const bench = new EngineBench()
    publishEach(bench, 'a', '1')
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], EARLIEST)
    const { token } = bench.reads.shift()!
    bench.engine.handleRead(token, { error: new Error('disk'), logStartOffset: 0 as Offset }, bench.nowMs)
    expect(bench.closed.has(1)).toBe(true)
  })

  test('is no loss to a consumer whose topics no policy touches', () => {
    const bench = new EngineBench()
    bench.putPolicy('x')
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.commitAll()
    bench.leave(1)
    bench.commitAll()
    publishEach(bench, 'x', '1', '2')
    bench.raise(['x', bench.logEnd])
    bench.moveStart(bench.logEnd)
    publishEach(bench, 'a', 'next')
    comeBack(bench)
    expect(bench.takeMissed(2)).toEqual([])
    expect(bench.takeTexts(2)).toEqual(['next'])
  })
})
