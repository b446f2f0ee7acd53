import { GomqError, type Offset, PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { EngineBench } from './support/engine-bench.js'

const AT = { kind: 'time', timeMs: 5 } as const

/** The log has been searched: the oldest search is answered. */
function answer(bench: EngineBench, result: { offset: number } | { error: unknown }): void {
  const { token } = bench.searches.shift()!
  bench.engine.handleOffset(token, result as { offset: Offset }, bench.nowMs)
}

describe('a subscription from a time', () => {
  test('begins at the offset that the log finds for it', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.publishFrom('a', ['1'])
    const offset = bench.logEnd
    bench.publishFrom('a', ['2'])
    bench.subscribe(1, 1, ['a'], { from: AT })
    expect(bench.searches).toMatchObject([{ timeMs: 5 }])
    answer(bench, { offset })
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['2'])
  })

  test('fails with the search, and another may follow', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.take(1)
    const requestId = bench.subscribe(1, 1, ['a'], { from: AT })
    answer(bench, { error: new GomqError('INTERNAL', 'the disk does not answer') })
    expect(bench.take(1)).toMatchObject([{ type: PacketType.ERROR, requestId, code: 'INTERNAL' }])
    bench.subscribe(1, 1, ['a'])
    expect(bench.take(1)).toMatchObject([{ type: PacketType.SUBACK }, { type: PacketType.TAIL }])
  })

  test('is nothing any more when the connection ends before the answer', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { from: AT, name: 's' })
    bench.lose(1)
    bench.take(1)
    answer(bench, { offset: 0 })
    bench.commitAll()
    expect(bench.take(1)).toEqual([])
    expect(bench.engine.stats).toMatchObject({ subscriptions: 0, durableSubscriptions: 0 })
  })

  test('an answer that nobody waits for changes nothing', () => {
    const bench = new EngineBench()
    bench.engine.handleOffset(99, { offset: 0 as Offset }, bench.nowMs)
    expect(bench.engine.stats['subscriptions']).toBe(0)
  })

  test('is refused if its number was taken meanwhile', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { from: AT })
    bench.subscribe(1, 1, ['b'])
    answer(bench, { offset: 0 })
    expect(bench.takeRefusal(1)).toBe('SUBSCRIPTION_IN_USE')
    expect(bench.engine.stats['subscriptions']).toBe(1)
  })

  test('resumes a durable subscription of its name that came to be meanwhile: nothing unacknowledged is lost', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { from: AT, name: 's' })
    bench.subscribe(1, 2, ['a'], { name: 's' })
    bench.publishFrom('a', ['m'])
    expect(bench.takeTexts(1)).toEqual(['m'])
    bench.packet(1, { type: PacketType.UNSUBSCRIBE, requestId: 70, subscriptionId: 2, forget: false })
    bench.commitAll()
    bench.take(1)
    answer(bench, { offset: bench.logEnd })
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['m'])
  })
})

describe('SUBSCRIBE to a durable subscription waits for what is on its way of its client', () => {
  test('so that it goes on where the last connection left off', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.publishFrom('a', ['1', '2'])
    const [first, second] = bench.takeDelivered(1)
    bench.packet(1, { type: PacketType.ACK, requestId: 5, subscriptionId: 1, ranges: [first!.offset, second!.offset] })
    bench.packet(1, { type: PacketType.UNSUBSCRIBE, requestId: 6, subscriptionId: 1, forget: false })
    bench.subscribe(1, 2, ['a'], { name: 's' })
    expect(bench.take(1).map(({ type }) => type)).not.toContain(PacketType.SUBACK)
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['2'])
  })

  test('one that is forgotten and asked for again is new', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.publishFrom('a', ['1'])
    bench.take(1)
    bench.packet(1, { type: PacketType.UNSUBSCRIBE, requestId: 6, subscriptionId: 1, forget: true })
    bench.subscribe(1, 2, ['a'], { name: 's' })
    bench.commitAll()
    const packets = bench.take(1)
    expect(packets.map(({ type }) => type)).toEqual([PacketType.UNSUBACK, PacketType.SUBACK, PacketType.TAIL])
    expect(packets[1]).toMatchObject({ resumed: false })
  })

  test('and is nothing if the connection ends meanwhile', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.commitAll()
    bench.packet(1, { type: PacketType.UNSUBSCRIBE, requestId: 6, subscriptionId: 1, forget: true })
    bench.subscribe(1, 2, ['a'], { name: 's' })
    bench.lose(1)
    bench.commitAll()
    expect(bench.engine.stats).toMatchObject({ subscriptions: 0, durableSubscriptions: 0 })
  })
})
