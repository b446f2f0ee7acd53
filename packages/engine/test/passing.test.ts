import { Attribute, attributesOf, baseOffsetOf, isControl, type Offset, PacketType, topicOf } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { EngineBench } from './support/engine-bench.js'
import { punch } from './support/punch.js'

const EARLIEST = { from: { kind: 'earliest' } } as const

/** Publishes one message a batch; returns the offset of the first and the one behind the last. */
function publishEach(bench: EngineBench, topic: string, ...values: string[]): [from: number, to: number] {
  let from = -1
  for (const value of values) {
    bench.publishFrom(topic, [value])
    if (from < 0) from = baseOffsetOf(bench.dataBatches().at(-1)!)
  }
  return [from, bench.logEnd]
}

function credit(bench: EngineBench, connectionId: number, messages: number): void {
  bench.packet(connectionId, { type: PacketType.CREDIT, subscriptionId: 1, messages, bytes: 1_000_000 })
  bench.commitAll()
}

function ack(bench: EngineBench, connectionId: number, from: number, to: number): void {
  const requestId = bench.requestId()
  bench.packet(connectionId, { type: PacketType.ACK, requestId, subscriptionId: 1, ranges: [from, to] })
  bench.commitAll()
}

/** A durable subscriber of `a` that got `values` without acknowledging them, and has gone. */
function leftBehind(bench: EngineBench, ...values: string[]): [from: number, to: number] {
  bench.connect(1, 'c')
  bench.subscribe(1, 1, ['a'], { name: 's' })
  bench.commitAll()
  const range = publishEach(bench, 'a', ...values)
  expect(bench.takeTexts(1)).toEqual(values)
  bench.leave(1)
  bench.commitAll()
  return range
}

/** The subscriber is back, and has got what there was for it. */
function comeBack(bench: EngineBench, connectionId = 2): void {
  bench.connect(connectionId, 'c')
  bench.subscribe(connectionId, 1, ['a'], { name: 's' })
  bench.commitAll()
}

const unackedOf = (bench: EngineBench) => bench.engine.listing.subscriptionsOf('c')[0]?.unacked

describe('a dead batch', () => {
  test('is not delivered to who reads from the start, and they are told nothing', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    publishEach(bench, 'a', 'old', 'older')
    bench.raise(['a', bench.logEnd])
    publishEach(bench, 'a', 'new')
    bench.connect(1, null)
    bench.subscribe(1, 1, ['#'], EARLIEST)
    bench.commitAll()
    expect(bench.takeMissed(1)).toEqual([])
    expect(bench.takeTexts(1)).toEqual(['new'])
  })

  test('of another topic than the policy governs lives', () => {
    const bench = new EngineBench()
    bench.putPolicy('a/#')
    bench.putPolicy('a/kept')
    publishEach(bench, 'a/x', 'x')
    publishEach(bench, 'a/kept', 'kept')
    publishEach(bench, 'b', 'b')
    bench.raise(['a/#', bench.logEnd])
    bench.connect(1, null)
    bench.subscribe(1, 1, ['#'], EARLIEST)
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['kept', 'b'])
  })

  test('that is the retained message of its topic lives until another replaces it', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    bench.publishFrom('a', ['kept'], { retain: true })
    bench.raise(['a', bench.logEnd])
    const texts = () => {
      bench.subscribe(900, 1, ['a'], EARLIEST)
      bench.commitAll()
      const got = bench.takeTexts(900)
      bench.packet(900, { type: PacketType.UNSUBSCRIBE, requestId: 1, subscriptionId: 1, forget: false })
      return got
    }
    expect(texts()).toEqual(['kept'])
    bench.publishFrom('a', ['newer'], { retain: true })
    expect(texts()).toEqual(['newer'])
  })

  test('that ends above the floor lives, whole', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    bench.publishFrom('a', ['1', '2', '3'])
    bench.raise(['a', bench.logEnd - 1])
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], EARLIEST)
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['1', '2', '3'])
  })

  test('is missed by a consumer that is behind: exactly its offsets, once, before what follows', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], { ...EARLIEST, messages: 1 })
    publishEach(bench, 'a', 'first')
    const [from, to] = publishEach(bench, 'a', '1', '2', '3')
    publishEach(bench, 'other', 'x')
    bench.raise(['a', bench.logEnd])
    publishEach(bench, 'a', 'next')
    bench.take(1)
    credit(bench, 1, 100)
    expect(bench.sent.get(1)?.map(({ type }) => type)).toEqual([PacketType.MISSED, PacketType.DELIVER, PacketType.TAIL])
    expect(bench.takeMissed(1)).toEqual([[from, to]])
    expect(bench.takeTexts(1)).toEqual(['next'])
  })

  test('is told before TAIL when nothing follows', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], { ...EARLIEST, messages: 1 })
    publishEach(bench, 'a', 'first')
    const range = publishEach(bench, 'a', 'gone')
    bench.raise(['a', bench.logEnd])
    bench.take(1)
    credit(bench, 1, 1)
    expect(bench.sent.get(1)?.map(({ type }) => type)).toEqual([PacketType.MISSED, PacketType.TAIL])
    expect(bench.takeMissed(1)).toEqual([range])
  })

  test('on both sides of one that was delivered makes two stretches', () => {
    const bench = new EngineBench()
    bench.putPolicy('a/1')
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a/+'], { ...EARLIEST, messages: 1 })
    publishEach(bench, 'a/1', 'first')
    const one = publishEach(bench, 'a/1', 'gone')
    publishEach(bench, 'a/2', 'kept')
    const two = publishEach(bench, 'a/1', 'gone')
    bench.raise(['a/1', bench.logEnd])
    bench.take(1)
    credit(bench, 1, 100)
    expect(bench.takeMissed(1)).toEqual([one, two])
  })

  test('leaves the cursor of who had not acknowledged it, and is missed', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    const [from] = leftBehind(bench, '1', '2', '3')
    bench.raise(['a', from + 2])
    expect(unackedOf(bench)).toBe(3)
    comeBack(bench)
    expect(bench.takeMissed(2)).toEqual([[from, from + 2]])
    expect(bench.takeTexts(2)).toEqual(['3'])
    expect(unackedOf(bench)).toBe(1)
    ack(bench, 2, from + 2, from + 3)
    bench.crash()
    expect(unackedOf(bench)).toBe(0)
  })

  test('that was acknowledged early is not missed', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.commitAll()
    const [from, to] = publishEach(bench, 'a', '1', '2')
    bench.crash()
    bench.raise(['a', to])
    bench.connect(2, 'c')
    bench.subscribe(2, 1, ['a'], { name: 's', messages: 0 })
    bench.commitAll()
    ack(bench, 2, from, to)
    credit(bench, 2, 10)
    expect(bench.takeMissed(2)).toEqual([])
  })

  test('that died after a reader from the start had begun is missed by it', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    publishEach(bench, 'a', 'dead before')
    bench.raise(['a', bench.logEnd])
    publishEach(bench, 'a', 'first')
    const range = publishEach(bench, 'a', 'gone')
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], { ...EARLIEST, messages: 1 })
    bench.commitAll()
    bench.raise(['a', bench.logEnd])
    credit(bench, 1, 10)
    expect(bench.takeMissed(1)).toEqual([range])
    expect(bench.takeTexts(1)).toEqual(['first'])
  })
})

describe('what is not stored any more', () => {
  test('leaves the cursor of who had not acknowledged it, and is missed', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    const [from] = leftBehind(bench, '1', '2', '3')
    bench.raise(['a', from + 2])
    bench.clean()
    comeBack(bench)
    expect(bench.takeMissed(2)).toEqual([[from, from + 2]])
    expect(bench.takeTexts(2)).toEqual(['3'])
    expect(unackedOf(bench)).toBe(1)
  })

  test('is no message that the subscription does not want at the moment: that comes when it is wanted again', () => {
    const bench = new EngineBench()
    bench.putPolicy('x')
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.commitAll()
    publishEach(bench, 'x', 'gone')
    publishEach(bench, 'a', 'kept')
    publishEach(bench, 'x', 'gone too')
    bench.leave(1)
    bench.commitAll()
    bench.raise(['x', bench.logEnd])
    bench.clean()
    bench.connect(2, 'c')
    bench.subscribe(2, 1, ['b'], { name: 's' })
    bench.commitAll()
    bench.leave(2)
    bench.commitAll()
    expect(unackedOf(bench)).toBe(1)
    comeBack(bench, 3)
    expect(bench.takeTexts(3)).toEqual(['kept'])
    expect(bench.takeMissed(3)).toEqual([])
  })

  test('is missed as the stretch that may have held it by who is behind', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], { ...EARLIEST, messages: 1 })
    const [first] = publishEach(bench, 'a', 'first')
    const [, to] = publishEach(bench, 'a', '1', '2', '3')
    const next = publishEach(bench, 'a', 'next')
    bench.raise(['a', to])
    bench.clean()
    bench.take(1)
    credit(bench, 1, 100)
    expect(bench.takeMissed(1)).toEqual([[first + 1, to]])
    expect(bench.takeDelivered(1).map(({ offset }) => offset)).toEqual([next[0]])
  })

  test('is not missed where compaction took it: above the floor', () => {
    const bench = new EngineBench()
    bench.putPolicy('a', { isCompacted: true })
    const [from] = leftBehind(bench, '1', '2', '3')
    bench.clean((batch) => baseOffsetOf(batch) === from + 1)
    comeBack(bench)
    expect(bench.takeMissed(2)).toEqual([])
    expect(bench.takeTexts(2)).toEqual(['1', '3'])
    expect(unackedOf(bench)).toBe(2)
  })

  test('is not missed where no policy overlaps the filters', () => {
    const bench = new EngineBench()
    bench.putPolicy('x')
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], { ...EARLIEST, messages: 1 })
    publishEach(bench, 'a', 'first')
    publishEach(bench, 'x', '1', '2')
    publishEach(bench, 'a', 'next')
    bench.raise(['x', bench.logEnd])
    bench.clean()
    bench.take(1)
    credit(bench, 1, 100)
    expect(bench.takeMissed(1)).toEqual([])
    expect(bench.takeTexts(1)).toEqual(['next'])
  })

  test('is missed also when its policy was removed since', () => {
    const bench = new EngineBench()
    bench.putPolicy('a')
    const [from, to] = leftBehind(bench, '1', '2')
    bench.raise(['a', to])
    bench.clean()
    bench.engine.removePolicy('a', bench.nowMs)
    bench.commitAll()
    comeBack(bench)
    expect(bench.takeMissed(2)).toEqual([[from, to]])
  })

  test('was a retained message for a new subscription, and is replaced: it gets the one that took its place', () => {
    const bench = new EngineBench()
    bench.publishFrom('a', ['old'], { retain: true })
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's', retained: true, messages: 0 })
    bench.commitAll()
    bench.publishFrom('a', ['new'], { retain: true })
    bench.clean((batch) => !isControl(batch) && topicOf(batch) === 'a' && baseOffsetOf(batch) < bench.logEnd - 1)
    credit(bench, 1, 10)
    expect(bench.takeMissed(1)).toEqual([])
    const got = bench.takeDelivered(1)
    expect(got.map(({ text }) => text)).toEqual(['new'])
    expect(unackedOf(bench)).toBe(1)
  })
})

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

describe('a hole that compaction left', () => {
  test('is passed over: the parts around it are delivered, in a form that says nothing of holes', () => {
    const bench = new EngineBench()
    bench.publishFrom('a', ['0', '1', '2', '3', '4'])
    const base = baseOffsetOf(bench.log.at(-1)!)
    punch(bench.log, base, [0, 2])
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], EARLIEST)
    bench.commitAll()
    for (const packet of bench.sent.get(1) ?? [])
      if (packet.type === PacketType.DELIVER) expect(attributesOf(packet.header!) & Attribute.SPARSE).toBe(0)
    expect(bench.takeDelivered(1).map(({ offset, text }) => [offset - base, text])).toEqual([
      [1, '1'],
      [3, '3'],
      [4, '4'],
    ])
  })

  test('costs no credit, also where credit ends in the middle', () => {
    const bench = new EngineBench()
    bench.publishFrom('a', ['0', '1', '2', '3'])
    punch(bench.log, baseOffsetOf(bench.log.at(-1)!), [1, 2])
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], { ...EARLIEST, messages: 1 })
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['0'])
    credit(bench, 1, 1)
    expect(bench.takeTexts(1)).toEqual(['3'])
  })

  test('waits for no acknowledgement, and is no loss', () => {
    const bench = new EngineBench()
    bench.putPolicy('a', { isCompacted: true })
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.commitAll()
    bench.publishFrom('a', ['0', '1', '2'])
    const base = baseOffsetOf(bench.dataBatches().at(-1)!)
    bench.leave(1)
    bench.commitAll()
    expect(unackedOf(bench)).toBe(3)
    punch(bench.log, base, [1])
    comeBack(bench)
    expect(bench.takeMissed(2)).toEqual([])
    expect(bench.takeTexts(2)).toEqual(['0', '2'])
    expect(unackedOf(bench)).toBe(2)
    ack(bench, 2, base, base + 1)
    ack(bench, 2, base + 2, base + 3)
    bench.crash()
    expect(unackedOf(bench)).toBe(0)
  })
})
