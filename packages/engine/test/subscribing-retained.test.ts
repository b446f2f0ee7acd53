import { Attribute, attributesOf, encodeMsgpack, PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { isClearing } from '../src/committed-state.js'
import { RETAINED_PER_DURABLE_MAX, RETAINED_SEARCH_STEPS, SPARSE_READ_BYTES_MAX } from '../src/limits.js'
import { batchOf } from './support/client-batch.js'
import { EngineBench, RETAINED_TOPICS_MAX } from './support/engine-bench.js'

const RETAIN = { retain: true } as const

/** A bench with a client 1, and retained messages. */
function withRetained(...messages: [topic: string, text: string][]): EngineBench {
  const bench = new EngineBench()
  bench.connect(1, 'c')
  for (const [topic, text] of messages) bench.publishFrom(topic, [text], RETAIN)
  return bench
}

/** What a new subscription gets, until nothing more comes. */
function subscribed(
  bench: EngineBench,
  filters: string[],
  options: Parameters<EngineBench['subscribe']>[3] = {},
): string[] {
  bench.subscribe(1, 1, filters, { retained: true, ...options })
  bench.commitAll()
  return bench.takeTexts(1)
}

describe('[MQTT-3.3.1-6] a new subscription gets the retained message of each matching topic', () => {
  test('the last one', () => {
    expect(subscribed(withRetained(['a', 'old'], ['a', 'new']), ['a'])).toEqual(['new'])
  })

  test('no message that was not retained', () => {
    const bench = withRetained(['a', 'kept'])
    bench.publishFrom('a', ['passed'])
    expect(subscribed(bench, ['a'])).toEqual(['kept'])
  })

  test('none of a topic that an empty one cleared [MQTT-3.3.1-10]', () => {
    expect(subscribed(withRetained(['a', 'kept'], ['a', ''], ['b', 'other']), ['#'])).toEqual(['other'])
  })

  test('every one that a wildcard matches, once each however many filters match, oldest first', () => {
    const bench = withRetained(['a/x', '1'], ['b', '2'], ['a/y', '3'], ['a', '4'], ['c', '5'], ['a/x', '6'])
    expect(subscribed(bench, ['a/#', '+/x', 'b'])).toEqual(['2', '3', '4', '6'])
  })

  test('before anything live', () => {
    const bench = withRetained(['a', 'kept'])
    bench.subscribe(1, 1, ['#'], { retained: true })
    bench.publish(900, 'a', ['live'])
    bench.commit(bench.log.length)
    expect(bench.takeTexts(1)).toEqual([])
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['kept', 'live'])
  })

  test('also after a broker crash, and from a snapshot', () => {
    const bench = withRetained(['a', 'kept'], ['b', 'gone'], ['b', ''])
    bench.crash()
    bench.connect(1, 'c')
    expect(subscribed(bench, ['#'])).toEqual(['kept'])
  })

  test('none if it does not ask for them', () => {
    expect(subscribed(withRetained(['a', 'kept']), ['a'], { retained: false })).toEqual([])
  })

  test('one whose append has not committed is live', () => {
    const bench = withRetained(['a', 'kept'])
    bench.publish(900, 'a', ['newer'], RETAIN)
    bench.subscribe(1, 1, ['a'], { retained: true })
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['newer'])
  })

  test('within its credit', () => {
    const bench = withRetained(['a', '1'], ['b', '2'], ['c', '3'])
    expect(subscribed(bench, ['#'], { messages: 2 })).toEqual(['1', '2'])
    bench.packet(1, { type: PacketType.CREDIT, subscriptionId: 1, messages: 10, bytes: 1000 })
    bench.commitAll()
    bench.publishFrom('d', ['4'])
    expect(bench.takeTexts(1)).toEqual(['3', '4'])
  })
})

describe('a durable subscription', () => {
  test('gets retained messages when it is new, and none when it is resumed', () => {
    const bench = withRetained(['a', 'kept'])
    bench.subscribe(1, 1, ['a'], { name: 's', retained: true })
    bench.commitAll()
    const [message] = bench.takeDelivered(1)
    expect(message?.text).toBe('kept')
    bench.packet(1, {
      type: PacketType.ACK,
      requestId: 1,
      subscriptionId: 1,
      ranges: [message!.offset, message!.offset + 1],
    })
    bench.commitAll()
    bench.connect(1, 'c')
    bench.publishFrom('a', ['kept later'], RETAIN)
    bench.take(1)
    bench.lose(1)
    bench.connect(2, 'c')
    bench.subscribe(2, 1, ['a'], { name: 's', retained: true })
    bench.commitAll()
    expect(bench.takeTexts(2)).toEqual(['kept later'])
  })

  test('that ends before it has acknowledged them gets them again, also after a broker crash', () => {
    const bench = withRetained(['a', '1'], ['b', '2'])
    expect(subscribed(bench, ['#'], { name: 's' })).toEqual(['1', '2'])
    bench.lose(1)
    bench.commitAll()
    bench.connect(1, 'c')
    expect(subscribed(bench, ['#'], { name: 's' })).toEqual(['1', '2'])
    bench.crash()
    bench.connect(1, 'c')
    expect(subscribed(bench, ['#'], { name: 's' })).toEqual(['1', '2'])
  })

  test('that asks for another filter gets no retained messages', () => {
    const bench = withRetained(['a', '1'], ['b', '2'])
    subscribed(bench, ['x'], { name: 's' })
    bench.lose(1)
    bench.commitAll()
    bench.connect(1, 'c')
    expect(subscribed(bench, ['a', 'b'], { name: 's' })).toEqual([])
  })
})

describe('a retained message that is replaced between SUBSCRIBE and its delivery', () => {
  test('is left out: the one that took its place is live', () => {
    const bench = withRetained(['a', 'old'], ['b', 'stays'])
    bench.subscribe(1, 1, ['#'], { name: 's', retained: true })
    bench.publish(900, 'a', ['new'], RETAIN)
    bench.commitAll()
    const delivered = bench.takeDelivered(1)
    expect(delivered.map(({ text }) => text)).toEqual(['stays', 'new'])
    // Nothing of it stays behind in the cursor.
    const ranges = delivered.flatMap(({ offset }) => [offset, offset + 1])
    bench.packet(1, { type: PacketType.ACK, requestId: 1, subscriptionId: 1, ranges })
    bench.commitAll()
    expect(bench.controlRecords().at(-1)).toMatchObject({ kind: 'cursor', unacked: [] })
  })

  test('is left out when it is cleared', () => {
    const bench = withRetained(['a', 'old'], ['b', 'stays'])
    bench.subscribe(1, 1, ['#'], { retained: true })
    bench.publish(900, 'a', [''], RETAIN)
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['stays', ''])
  })
})

describe('what lies between is not read', () => {
  /** Three retained messages in a log of 2000 batches of 1 KB, and what it takes to give them to a new subscription. */
  function costOf(prepare: (bench: EngineBench) => void): { reads: number; bytes: number; texts: string[] } {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    for (let i = 0; i < 2000; i++) {
      if (i % 700 === 300) bench.publishFrom(`kept/${i}`, [`kept ${i}`], RETAIN)
      else bench.publishFrom('noise', ['x'.repeat(1000)])
    }
    prepare(bench)
    let reads = 0
    let bytes = 0
    while (bench.reads.length > 0 || bench.highWatermark < bench.logEnd) {
      bench.commit(bench.log.length)
      for (const { read } of bench.reads) {
        reads++
        bytes += read.bytesMax
      }
      bench.answerRead()
    }
    return { reads, bytes, texts: bench.takeTexts(1) }
  }

  test('three retained messages in a long log cost a small read each', () => {
    const { reads, bytes, texts } = costOf((bench) => bench.subscribe(1, 1, ['#'], { retained: true }))
    expect(texts).toEqual(['kept 300', 'kept 1000', 'kept 1700'])
    expect(reads).toBeLessThanOrEqual(3)
    expect(bytes).toBeLessThanOrEqual(3 * SPARSE_READ_BYTES_MAX)
  })

  test('nor for one old message that a durable subscriber has not acknowledged', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['#'], { name: 's' })
    for (let i = 0; i < 500; i++) bench.publishFrom('a', [`${i}`.padEnd(1000)])
    const delivered = bench.takeDelivered(1)
    const ranges = [delivered[0]!.offset, delivered[3]!.offset, delivered[4]!.offset, delivered.at(-1)!.offset + 1]
    bench.packet(1, { type: PacketType.ACK, requestId: 1, subscriptionId: 1, ranges })
    bench.commitAll()
    bench.lose(1)
    bench.commitAll()
    bench.connect(2, 'c')
    bench.subscribe(2, 1, ['#'], { name: 's' })
    const requested = bench.reads.map(({ read }) => [read.from, read.bytesMax])
    expect(requested).toEqual([[delivered[3]!.offset, SPARSE_READ_BYTES_MAX]])
    bench.commitAll()
    expect(bench.takeTexts(2).map((text) => text.trim())).toEqual(['3'])
  })
})

describe('a wildcard over many retained messages', () => {
  const TOPICS = 3 * RETAINED_SEARCH_STEPS
  const topicOf = (i: number) => `site/${i % 100}/${i}`

  /** A bench with that many retained messages, and a client 1 and a client 2. */
  function withMany(): EngineBench {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.connect(2, null)
    for (let i = 0; i < TOPICS; i++) bench.publish(2, topicOf(i), ['old'], RETAIN)
    bench.commitAll()
    bench.take(1)
    return bench
  }

  const isAnswered = (bench: EngineBench) => (bench.sent.get(1) ?? []).length > 0

  test('is searched in turns of a bounded size, and others have theirs in between', () => {
    const bench = withMany()
    bench.subscribe(1, 1, ['#'], { retained: true })
    let turns = 1
    for (; !isAnswered(bench); turns++) {
      expect(bench.wakes).toBe(1)
      bench.wake()
    }
    // Each topic is visited and put in its place.
    expect(turns).toBeGreaterThanOrEqual((2 * TOPICS) / RETAINED_SEARCH_STEPS)
    expect(turns).toBeLessThan((3 * TOPICS) / RETAINED_SEARCH_STEPS)
    bench.commitAll()
    expect(bench.takeTexts(1)).toHaveLength(TOPICS)
  })

  test('finds each once as it is when the subscription stands, whatever is replaced, cleared and added meanwhile', () => {
    const bench = withMany()
    const expected = new Map<string, string[]>()
    for (let i = 0; i < TOPICS; i++) expected.set(topicOf(i), ['old'])
    bench.subscribe(1, 1, ['#'], { retained: true })
    for (let turn = 0; !isAnswered(bench); turn++) {
      for (let i = turn; i < TOPICS; i += 1009) {
        const text = i % 3 === 0 ? '' : `new ${turn}`
        const topic = i % 3 === 1 ? `added/${i}` : topicOf(i)
        bench.publish(2, topic, [text], RETAIN)
        const live = (expected.get(topic) ?? []).filter((each) => each !== 'old')
        expected.set(topic, [...live, text])
      }
      bench.commit(bench.log.length)
      bench.wake()
    }
    bench.commitAll()
    const delivered = new Map<string, string[]>()
    for (const { topic, text } of bench.takeDelivered(1)) delivered.set(topic, [...(delivered.get(topic) ?? []), text])
    expect(delivered).toEqual(expected)
  })

  test('is given up when the subscription ends before it stands, or its connection', () => {
    const bench = withMany()
    const requestId = bench.subscribe(1, 1, ['#'], { retained: true })
    bench.packet(1, { type: PacketType.UNSUBSCRIBE, requestId: 900, subscriptionId: 1, forget: false })
    bench.commitAll()
    expect(bench.take(1)).toEqual([
      { type: PacketType.UNSUBACK, requestId: 900 },
      expect.objectContaining({ type: PacketType.ERROR, requestId, code: 'NO_SUCH_SUBSCRIPTION' }),
    ])
    bench.subscribe(1, 1, ['#'], { retained: true })
    bench.lose(1)
    bench.commitAll()
    expect(bench.take(1)).toEqual([])
    expect(bench.engine.stats['subscriptions']).toBe(0)
  })

  test('does not make others wait for ever: the next search begins when this one is over, a small one at once', () => {
    const bench = withMany()
    bench.connect(3, null)
    bench.subscribe(1, 1, ['#'], { retained: true })
    bench.subscribe(2, 1, ['site/+/1', 'site/#'], { retained: true })
    bench.subscribe(3, 1, ['site/7/#'], { retained: true })
    const isStanding = (id: number) => (bench.sent.get(id) ?? []).some(({ type }) => type === PacketType.SUBACK)
    expect([1, 2, 3].map(isStanding)).toEqual([false, false, true])
    bench.commitAll()
    expect([1, 2, 3].map((id) => bench.takeTexts(id).length)).toEqual([TOPICS, TOPICS, TOPICS / 100])
  })

  test(`is refused to a durable subscription that would begin with more than ${RETAINED_PER_DURABLE_MAX} ranges`, () => {
    const bench = new EngineBench()
    for (let i = 0; i < 25; i++) bench.publishFrom('a', Array<string>(10_000).fill('x'))
    for (let i = 0; i < RETAINED_TOPICS_MAX; i++) bench.engine.restoreEntry(retainedEntry(`t/${i}`, 2 * i))
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['t/#'], { name: 's', retained: true })
    bench.commitAll()
    expect(bench.takeRefusal(1)).toBe('LIMIT_EXCEEDED')
    expect(bench.engine.stats).toMatchObject({ subscriptions: 0, durableSubscriptions: 0 })
    bench.subscribe(1, 1, ['t/7'], { name: 's', retained: true })
    bench.commitAll()
    expect(bench.take(1)).toContainEqual(expect.objectContaining({ type: PacketType.SUBACK }))
  })
})

describe('retained messages are bounded', () => {
  test(`beyond ${RETAINED_TOPICS_MAX} topics a new one is refused; replacing and clearing are not`, () => {
    const bench = new EngineBench()
    const kept = (i: number) => `t/${i % 300}/${i}`
    bench.connect(1, 'c')
    for (let i = 0; i < RETAINED_TOPICS_MAX; i++) bench.engine.restoreEntry(retainedEntry(kept(i), 0))
    bench.publish(1, 'one/more', ['x'], RETAIN)
    expect(bench.takeRefusal(1)).toBe('LIMIT_EXCEEDED')
    bench.publish(1, kept(5), ['x'], RETAIN)
    bench.publish(1, kept(6), [''], RETAIN)
    bench.publish(1, 'not/there', [''], RETAIN)
    bench.publish(1, 'not/retained', ['x'])
    bench.commitAll()
    expect(bench.takeRefusal(1)).toBeUndefined()
    expect(bench.engine.stats['retainedMessages']).toBe(RETAINED_TOPICS_MAX - 1)
    bench.publish(1, 'one/more', ['x'], RETAIN)
    bench.commitAll()
    expect(bench.takeRefusal(1)).toBeUndefined()
  })

  test('beyond them a will is published all the same, and is not retained', () => {
    const bench = new EngineBench()
    bench.connect(1, null)
    bench.subscribe(1, 1, ['wills/#'])
    for (let i = 0; i < RETAINED_TOPICS_MAX; i++) bench.engine.restoreEntry(retainedEntry(`t/${i % 300}/${i}`, 0))
    bench.commitAll()
    for (const qos of [0, 1]) {
      bench.connect(2 + qos, 'c', { will: batchOf('wills/c', [`lost ${qos}`], { id: 70 + qos, qos, retain: true }) })
      bench.lose(2 + qos)
    }
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['lost 0', 'lost 1'])
    expect(bench.engine.stats['retainedMessages']).toBe(RETAINED_TOPICS_MAX)
    expect(bench.dataBatches().map((batch) => attributesOf(batch) & Attribute.RETAIN)).toEqual([0])
  })
})

test('a durable subscription to more retained messages than a frame has elements stands, and survives a crash and a snapshot', () => {
  const bench = new EngineBench()
  for (let i = 0; i < 15; i++) bench.publishFrom('a', Array<string>(10_000).fill('x'))
  for (let i = 0; i < 60_000; i++) bench.engine.restoreEntry(retainedEntry(`t/${i % 300}/${i}`, 20 + 2 * i))
  bench.connect(1, 'c')
  bench.subscribe(1, 1, ['t/#'], { name: 's', retained: true, messages: 0 })
  bench.commitAll()
  expect(bench.take(1)).toContainEqual(expect.objectContaining({ type: PacketType.SUBACK }))
  const unacked = () => bench.engine.listing.subscriptionsOf('c').map((subscription) => subscription.unacked)
  expect(unacked()).toEqual([60_000])
  const snapshot = [...bench.engine.snapshotEntries()]
  bench.crash()
  expect(unacked()).toEqual([60_000])
  const restored = new EngineBench()
  for (const entry of snapshot) restored.engine.restoreEntry(entry)
  expect(restored.engine.listing.subscriptionsOf('c')).toMatchObject([{ unacked: 60_000 }])
})

test('a retained record that cannot be decoded does not clear its topic', () => {
  expect(isClearing(batchOf('a', ['']))).toBe(true)
  expect(isClearing(batchOf('a', ['x']))).toBe(false)
  const bad = batchOf('a', [''])
  bad[bad.length - 3] = 0xc1
  expect(isClearing(bad)).toBe(false)
})

/** Entry of a snapshot: the retained message of `topic` is at `offset`. */
function retainedEntry(topic: string, offset: number): Uint8Array {
  return encodeMsgpack([4, topic, offset])
}
