import { PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { decodeControlBatch } from '../src/control-record.js'
import { OUTSTANDING_RANGES_MAX } from '../src/limits.js'
import { EngineBench } from './support/engine-bench.js'

/** A bench whose client `c`, connection 1, has the durable subscription `s` of `a` and got `count` messages; with their offsets. */
function withMessages(count: number): { bench: EngineBench; offsets: number[] } {
  const bench = new EngineBench()
  bench.connect(1, 'c')
  bench.subscribe(1, 1, ['a'], { name: 's' })
  bench.commitAll()
  for (let i = 0; i < count; i++) bench.publishFrom('a', [`m${i}`])
  const offsets = bench.takeDelivered(1).map(({ offset }) => offset)
  expect(offsets).toHaveLength(count)
  return { bench, offsets }
}

function ack(bench: EngineBench, connectionId: number, requestId: number, ...offsets: number[]): void {
  const ranges = offsets.flatMap((offset) => [offset, offset + 1])
  bench.packet(connectionId, { type: PacketType.ACK, requestId, subscriptionId: 1, ranges })
}

/** Requests that were answered with ACKED since the last call. */
function acked(bench: EngineBench, connectionId: number): number[] {
  return bench.take(connectionId).flatMap((packet) => (packet.type === PacketType.ACKED ? [packet.requestId] : []))
}

function reconnect(bench: EngineBench, connectionId: number, messages?: number): void {
  bench.connect(connectionId, 'c')
  bench.subscribe(connectionId, 1, ['a'], { name: 's', ...(messages === undefined ? {} : { messages }) })
}

describe('an acknowledgement', () => {
  test('is answered when it has committed, and not before', () => {
    const { bench, offsets } = withMessages(2)
    ack(bench, 1, 71, offsets[0]!)
    expect(acked(bench, 1)).toEqual([])
    bench.commitAll()
    expect(acked(bench, 1)).toEqual([71])
    expect(bench.controlRecords().at(-1)).toMatchObject({ kind: 'cursor', unacked: [offsets[1], offsets[1]! + 1] })
  })

  test('that did not commit before a broker crash was not answered, and the message comes again', () => {
    const { bench, offsets } = withMessages(2)
    ack(bench, 1, 71, offsets[0]!)
    expect(acked(bench, 1)).toEqual([])
    bench.crash()
    reconnect(bench, 2)
    bench.commitAll()
    expect(bench.takeTexts(2)).toEqual(['m0', 'm1'])
  })

  test('without a request is kept and not answered', () => {
    const { bench, offsets } = withMessages(1)
    ack(bench, 1, 0, offsets[0]!)
    bench.commitAll()
    expect(bench.take(1)).toEqual([])
    expect(bench.controlRecords().at(-1)).toMatchObject({ kind: 'cursor', unacked: [] })
  })

  test('that comes again is answered, without a record, and not before the first has committed', () => {
    const { bench, offsets } = withMessages(1)
    ack(bench, 1, 71, offsets[0]!)
    const batches = bench.log.length
    ack(bench, 1, 72, offsets[0]!)
    expect(acked(bench, 1)).toEqual([])
    bench.commitAll()
    expect(acked(bench, 1)).toEqual([71, 72])
    ack(bench, 1, 73, offsets[0]!)
    expect(acked(bench, 1)).toEqual([73])
    expect(bench.log.length).toBe(batches)
  })

  test('that comes again while the record of the first is on its way waits for that, whatever commits before', () => {
    const { bench, offsets } = withMessages(1)
    bench.publish(900, 'b', ['1'])
    const batches = bench.log.length
    bench.publish(900, 'b', ['2'])
    ack(bench, 1, 71, offsets[0]!)
    bench.commit(batches)
    expect(bench.log.length, 'the record of the first stands behind both').toBe(batches + 2)
    ack(bench, 1, 72, offsets[0]!)
    bench.commit(batches + 1)
    expect(acked(bench, 1)).toEqual([])
    bench.commitAll()
    expect(acked(bench, 1)).toEqual([71, 72])
  })

  test('on a subscription that keeps none is answered at once', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'])
    bench.publishFrom('a', ['m'])
    const batches = bench.log.length
    ack(bench, 1, 71, 3)
    expect(acked(bench, 1)).toEqual([71])
    expect(bench.log.length).toBe(batches)
  })

  test('of what nobody can have got yet changes nothing', () => {
    const { bench, offsets } = withMessages(1)
    ack(bench, 1, 71, offsets[0]! + 5)
    bench.commitAll()
    for (let i = 0; i < 10; i++) bench.publishFrom('a', [`later ${i}`])
    expect(bench.takeTexts(1)).toHaveLength(10)
  })

  test('for a subscription that the connection does not have is refused', () => {
    const { bench } = withMessages(1)
    bench.packet(1, { type: PacketType.ACK, requestId: 71, subscriptionId: 9, ranges: [0, 1] })
    expect(bench.takeRefusal(1)).toBe('NO_SUCH_SUBSCRIPTION')
  })
})

test('acknowledgements of a commit round go into one control batch, one record for each subscription', () => {
  const { bench, offsets } = withMessages(5)
  bench.connect(2, 'd')
  bench.subscribe(2, 1, ['a'], { name: 's' })
  bench.publishFrom('a', ['both'])
  const [both] = bench.takeDelivered(2)
  bench.publish(900, 'b', ['on its way'])
  const batches = bench.log.length
  for (const [i, offset] of offsets.entries()) ack(bench, 1, 70 + i, offset)
  ack(bench, 2, 80, both!.offset)
  expect(bench.log.length, 'they gather').toBe(batches)
  bench.commit(bench.log.length)
  expect(bench.log.length).toBe(batches + 1)
  expect(bench.controlRecords().slice(-2)).toMatchObject([
    { kind: 'cursor', clientId: 'c' },
    { kind: 'cursor', clientId: 'd' },
  ])
  expect(acked(bench, 1)).toEqual([])
  bench.commitAll()
  expect(acked(bench, 1)).toEqual([70, 71, 72, 73, 74])
  expect(acked(bench, 2)).toEqual([80])
})

test('large cursors of a commit round are spread over several control batches, and all are answered', () => {
  const { bench } = withMessages(0)
  const clients = [2, 3, 4, 5]
  for (const each of clients) {
    bench.connect(each, `large ${each}`)
    bench.subscribe(each, 1, ['a'], { name: 's' })
    bench.commitAll()
    bench.take(each)
  }
  const count = OUTSTANDING_RANGES_MAX
  bench.publishFrom('a', Array<string>(count).fill('x'))
  const first = bench.takeDelivered(2)[0]!.offset
  bench.publish(900, 'b', ['on its way'])
  const every2nd = Array.from({ length: count / 2 }, (_, i) => first + 2 * i)
  for (const each of clients) ack(bench, each, 70 + each, ...every2nd)
  const batches = bench.log.length
  bench.commit(batches)
  const sizes = bench.log
    .slice(batches)
    .map((batch) => decodeControlBatch(batch).map((record) => ('unacked' in record ? record.unacked.length / 2 : 0)))
  expect(sizes).toEqual([
    [count / 2, count / 2],
    [count / 2, count / 2],
  ])
  expect(clients.flatMap((each) => acked(bench, each))).toEqual([])
  bench.commitAll()
  expect(clients.flatMap((each) => acked(bench, each))).toEqual([72, 73, 74, 75])
})

describe('an acknowledgement of what was delivered on an earlier connection, and not yet on this one', () => {
  test('is not answered before the cursor has passed it: if the connection ends, the message comes again', () => {
    const { bench, offsets } = withMessages(4)
    // None is acknowledged: the connection is lost, and the next one has credit for one message only.
    bench.crash()
    reconnect(bench, 2, 1)
    bench.commitAll()
    bench.publishFrom('a', ['m4'])
    expect(bench.takeTexts(2)).toEqual(['m0'])
    ack(bench, 2, 72, offsets[2]!)
    bench.commitAll()
    expect(acked(bench, 2), 'the cursor has not passed it').toEqual([])
    bench.lose(2)
    bench.commitAll()
    reconnect(bench, 3)
    bench.commitAll()
    expect(bench.takeTexts(3), 'nobody was promised that it does not').toEqual(['m0', 'm1', 'm2', 'm3', 'm4'])
  })

  test('is passed over when its turn comes, and answered then', () => {
    const { bench, offsets } = withMessages(4)
    bench.crash()
    reconnect(bench, 2, 1)
    bench.commitAll()
    ack(bench, 2, 72, offsets[2]!)
    bench.commitAll()
    bench.packet(2, { type: PacketType.CREDIT, subscriptionId: 1, messages: 100, bytes: 100_000 })
    bench.commitAll()
    const packets = bench.take(2)
    bench.sent.set(2, packets)
    expect(packets.flatMap((packet) => (packet.type === PacketType.ACKED ? [packet.requestId] : []))).toEqual([72])
    expect(bench.takeTexts(2)).toEqual(['m0', 'm1', 'm3'])
    bench.crash()
    reconnect(bench, 3)
    bench.commitAll()
    expect(bench.takeTexts(3)).toEqual(['m0', 'm1', 'm3'])
  })

  test('beyond what is kept is refused with the next one that asks, and the connection goes on', () => {
    const { bench } = withMessages(0)
    const count = 2 * OUTSTANDING_RANGES_MAX + 10
    bench.publishFrom('a', Array<string>(count).fill('x'))
    const first = bench.takeDelivered(1)[0]!.offset
    bench.crash()
    reconnect(bench, 2, 0)
    bench.commitAll()
    bench.take(2)
    const every2nd = Array.from({ length: count / 2 }, (_, i) => first + 2 * i)
    ack(bench, 2, 0, ...every2nd)
    expect(bench.closed.size).toBe(0)
    ack(bench, 2, 71, first + 1)
    expect(bench.takeRefusal(2)).toBe('LIMIT_EXCEEDED')
    bench.packet(2, { type: PacketType.CREDIT, subscriptionId: 1, messages: 1_000_000, bytes: 1_000_000_000 })
    bench.commitAll()
    const delivered = bench.takeDelivered(2).map(({ offset }) => offset)
    expect(delivered).not.toContain(first)
    expect(delivered, 'what was beyond comes again').toContain(every2nd.at(-1))
    ack(bench, 2, 72, ...delivered)
    bench.commitAll()
    expect(acked(bench, 2)).toEqual([72])
  })

  test('is not answered when the subscription ends before, and the message comes again', () => {
    const { bench, offsets } = withMessages(4)
    bench.crash()
    reconnect(bench, 2, 1)
    bench.commitAll()
    ack(bench, 2, 72, offsets[2]!)
    bench.packet(2, { type: PacketType.UNSUBSCRIBE, requestId: 73, subscriptionId: 1, forget: false })
    bench.subscribe(2, 1, ['a'], { name: 's' })
    bench.commitAll()
    const packets = bench.take(2)
    bench.sent.set(2, packets)
    expect(acked(bench, 2)).toEqual([])
    bench.sent.set(2, packets)
    expect(bench.takeTexts(2).slice(-4)).toEqual(['m0', 'm1', 'm2', 'm3'])
  })
})

test('a subscriber whose filter matches nothing has its place kept, so that a restart does not scan the log again', () => {
  const bench = new EngineBench()
  bench.connect(1, 'c')
  bench.subscribe(1, 1, ['never'], { name: 's' })
  for (let i = 0; i < 50; i++) bench.publishFrom('a', [`${i}`])
  bench.lose(1)
  const end = bench.highWatermark
  bench.commitAll()
  reconnectTo(bench)
  expect(bench.take(2)).toContainEqual(
    expect.objectContaining({ type: PacketType.SUBACK, startOffset: end, resumed: true }),
  )
})

function reconnectTo(bench: EngineBench): void {
  bench.connect(2, 'c')
  bench.subscribe(2, 1, ['never'], { name: 's' })
  bench.commitAll()
}

describe('an acknowledgement that waits when its subscription ends', () => {
  /** Requests that were answered since the last call, and how. */
  function answers(bench: EngineBench, connectionId: number): [requestId: number, answer: string][] {
    return bench.take(connectionId).flatMap((packet): [number, string][] => {
      if (packet.type === PacketType.ACKED) return [[packet.requestId, 'acked']]
      if (packet.type === PacketType.UNSUBACK) return [[packet.requestId, 'ended']]
      return packet.type === PacketType.ERROR ? [[packet.requestId, packet.code]] : []
    })
  }

  function unsubscribe(bench: EngineBench, connectionId: number, requestId: number, forget: boolean): void {
    bench.packet(connectionId, { type: PacketType.UNSUBSCRIBE, requestId, subscriptionId: 1, forget })
  }

  test('is answered with the record that forgets the subscription: nothing comes again', () => {
    const { bench, offsets } = withMessages(2)
    bench.publish(900, 'b', ['on its way'])
    ack(bench, 1, 71, offsets[0]!)
    unsubscribe(bench, 1, 72, true)
    expect(answers(bench, 1)).toEqual([])
    bench.commitAll()
    expect(answers(bench, 1)).toEqual([
      [71, 'acked'],
      [72, 'ended'],
    ])
  })

  test('is answered with that record also if it came before its turn', () => {
    const { bench, offsets } = withMessages(4)
    bench.crash()
    reconnect(bench, 2, 1)
    bench.commitAll()
    ack(bench, 2, 71, offsets[2]!)
    bench.commitAll()
    unsubscribe(bench, 2, 72, true)
    bench.commitAll()
    expect(answers(bench, 2)).toEqual([
      [71, 'acked'],
      [72, 'ended'],
    ])
  })

  test('is refused if it came before its turn and the place is kept: the message comes again', () => {
    const { bench, offsets } = withMessages(4)
    bench.crash()
    reconnect(bench, 2, 1)
    bench.commitAll()
    ack(bench, 2, 71, offsets[2]!)
    unsubscribe(bench, 2, 72, false)
    bench.commitAll()
    expect(answers(bench, 2)).toEqual([
      [71, 'NO_SUCH_SUBSCRIPTION'],
      [72, 'ended'],
    ])
  })

  test('is refused if the subscription did not stand yet', () => {
    const { bench, offsets } = withMessages(2)
    bench.subscribe(1, 2, ['a'], { name: 'other', from: { kind: 'earliest' } })
    bench.packet(1, { type: PacketType.ACK, requestId: 71, subscriptionId: 2, ranges: [offsets[0]!, offsets[0]! + 1] })
    bench.packet(1, { type: PacketType.UNSUBSCRIBE, requestId: 72, subscriptionId: 2, forget: false })
    expect(answers(bench, 1)).toEqual([
      [71, 'NO_SUCH_SUBSCRIPTION'],
      [72, 'ended'],
    ])
  })
})
