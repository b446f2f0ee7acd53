import { PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { EngineBench } from './support/engine-bench.js'

describe('[MQTT-3.3.2-5] a message is delivered until its time to live has passed since its append, and not from then on', () => {
  test('to a subscriber that listens', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'])
    bench.publishFrom('a', ['in time'], { ttlMs: 100 })
    bench.publish(900, 'a', ['late'], { ttlMs: 100 })
    bench.publish(900, 'a', ['last moment'], { ttlMs: 101 })
    bench.publish(900, 'a', ['for ever'])
    bench.nowMs += 100
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['in time', 'last moment', 'for ever'])
  })

  test('to a subscriber that catches up', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.publishFrom('a', ['late'], { ttlMs: 100 })
    bench.publishFrom('a', ['last moment'], { ttlMs: 101 })
    bench.publishFrom('a', ['for ever'])
    bench.nowMs += 100
    bench.subscribe(1, 1, ['a'], { from: { kind: 'earliest' } })
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['last moment', 'for ever'])
  })

  test('to one that was without credit meanwhile', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { messages: 1 })
    bench.commitAll()
    bench.publishFrom('a', ['1'])
    bench.publishFrom('a', ['2'], { ttlMs: 100 })
    bench.publishFrom('a', ['3'])
    bench.nowMs += 100
    bench.packet(1, { type: PacketType.CREDIT, subscriptionId: 1, messages: 9, bytes: 100 })
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['1', '3'])
  })

  test('nor as a retained message', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.publishFrom('a', ['late'], { ttlMs: 100, retain: true })
    bench.publishFrom('b', ['kept'], { ttlMs: 200, retain: true })
    bench.nowMs += 100
    bench.subscribe(1, 1, ['#'], { retained: true })
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['kept'])
  })

  test('whatever the producer says about its own clock', () => {
    const bench = new EngineBench()
    bench.nowMs += 1_000_000
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'])
    bench.publishFrom('a', ['in time'], { ttlMs: 100 })
    expect(bench.takeTexts(1)).toEqual(['in time'])
  })
})

describe('a durable subscriber', () => {
  test('is not given again what has expired since, and its cursor is rid of it', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.publishFrom('a', ['1'], { ttlMs: 100 })
    bench.publishFrom('a', ['2'])
    bench.publishFrom('a', ['3'], { ttlMs: 100 })
    expect(bench.takeTexts(1)).toEqual(['1', '2', '3'])
    bench.lose(1)
    bench.commitAll()
    bench.nowMs += 100
    bench.connect(2, 'c')
    bench.subscribe(2, 1, ['a'], { name: 's' })
    bench.commitAll()
    const delivered = bench.takeDelivered(2)
    expect(delivered.map(({ text }) => text)).toEqual(['2'])
    const { offset } = delivered[0]!
    bench.packet(2, { type: PacketType.ACK, requestId: 7, subscriptionId: 1, ranges: [offset, offset + 1] })
    bench.commitAll()
    expect(bench.take(2)).toContainEqual({ type: PacketType.ACKED, requestId: 7 })
    expect(bench.controlRecords().at(-1)).toMatchObject({ kind: 'cursor', unacked: [] })
  })

  test('that was away while a message lived does not wait for its acknowledgement', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.commitAll()
    bench.lose(1)
    bench.commitAll()
    bench.publishFrom('a', ['missed'], { ttlMs: 100 })
    bench.nowMs += 100
    bench.connect(2, 'c')
    bench.subscribe(2, 1, ['a'], { name: 's' })
    bench.commitAll()
    expect(bench.takeTexts(2)).toEqual([])
    bench.lose(2)
    bench.commitAll()
    expect(bench.controlRecords().filter((record) => record.kind === 'cursor' && record.unacked.length > 0)).toEqual([])
  })
})
