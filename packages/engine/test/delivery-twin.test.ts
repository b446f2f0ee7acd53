import { DEFLATE_FEATURE, type Packet, PacketType, topicMatches } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { EngineBench } from './support/engine-bench.js'

const SEEDS = process.env['GOMQ_LONG'] ? 20_000 : 400
const FIRST_SEED = Number(process.env['GOMQ_SEED'] ?? 1)
const STEPS = 80
const TOPICS = ['a', 'a/b', 'a/c', 'd']
const FILTERS = [['a'], ['a/+'], ['#'], ['a/#', 'a/b'], ['d', 'a/c'], ['+']]

/** A durable subscriber as the twin sees it: which offsets it wants, and which it has acknowledged for good. */
interface Consumer {
  readonly clientId: string
  readonly filters: string[]
  connectionId: number | undefined
  /** Where the subscription began: nothing below is wanted. */
  startOffset: number | undefined
  /** Delivered on this attachment. */
  delivered: number[]
  /** Acknowledged in this process life, with the request that says so. */
  asked: Map<number, number[]>
  acked: Set<number>
  /** Asked to be acknowledged without having heard the answer: may come again or not. */
  unknown: Set<number>
}

test(`a durable subscriber gets every matching committed message, in order, and never again what it has acked (${SEEDS} programs)`, {
  timeout: 3_600_000,
}, () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    try {
      runProgram(seed)
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`, { cause: error })
    }
  }
})

function runProgram(seed: number): void {
  const random = new SeededRandom(seed)
  const bench = new EngineBench()
  const topicOfOffset = new Map<number, string>()
  const consumers: Consumer[] = Array.from({ length: 3 }, (_, i) => ({
    clientId: `c${i}`,
    filters: random.pick(FILTERS),
    connectionId: undefined,
    startOffset: undefined,
    delivered: [],
    asked: new Map(),
    acked: new Set(),
    unknown: new Set(),
  }))
  let nextConnection = 10
  let published = 0
  bench.connect(1, null, { features: [DEFLATE_FEATURE] })

  const collect = () => {
    for (const consumer of consumers)
      if (consumer.connectionId !== undefined) collectFrom(bench, consumer, topicOfOffset)
  }
  const attach = (consumer: Consumer) => {
    consumer.connectionId = nextConnection++
    consumer.delivered = []
    for (const offsets of consumer.asked.values()) for (const offset of offsets) consumer.unknown.add(offset)
    consumer.asked.clear()
    bench.connect(consumer.connectionId, consumer.clientId, { features: random.chance(0.5) ? [DEFLATE_FEATURE] : [] })
    bench.subscribe(consumer.connectionId, 1, consumer.filters, {
      name: 's',
      from: { kind: 'earliest' },
      messages: random.chance(0.5) ? 1 + random.below(5) : 1000,
      bytes: random.chance(0.3) ? 1 + random.below(100) : 1_000_000,
    })
  }

  for (let step = 0; step < STEPS; step++) {
    const consumer = random.pick(consumers)
    const operation = random.below(100)
    if (operation < 30) {
      const topic = random.pick(TOPICS)
      const count = 1 + random.below(4)
      const base = bench.logEnd
      bench.publish(
        1,
        topic,
        Array.from({ length: count }, () => `m${published++}`),
        { isCompressed: random.chance(0.4) },
      )
      for (let i = 0; i < count; i++) topicOfOffset.set(base + i, topic)
    } else if (operation < 50) bench.commit(bench.log.length - random.below(3))
    else if (operation < 62) bench.answerRead()
    else if (operation < 72) {
      if (consumer.connectionId === undefined) attach(consumer)
      else if (random.chance(0.3)) {
        collect()
        bench.engine.handleClosed(consumer.connectionId, bench.nowMs)
        consumer.connectionId = undefined
      }
    } else if (operation < 85) {
      collect()
      if (consumer.connectionId !== undefined && consumer.delivered.length > 0) ackSome(bench, consumer, random)
    } else if (operation < 92) {
      if (consumer.connectionId !== undefined) {
        bench.packet(consumer.connectionId, {
          type: PacketType.CREDIT,
          subscriptionId: 1,
          messages: random.below(10),
          bytes: random.below(500),
        })
      }
    } else if (operation < 95) {
      collect()
      for (const offset of topicOfOffset.keys()) if (offset >= bench.highWatermark) topicOfOffset.delete(offset)
      bench.crash()
      for (const each of consumers) each.connectionId = undefined
      bench.connect(1, null, { features: [DEFLATE_FEATURE] })
    } else if (consumer.connectionId !== undefined) {
      bench.engine.handleBlocked(consumer.connectionId)
      bench.commit(bench.log.length)
      bench.engine.handleWritable(consumer.connectionId, bench.nowMs)
    }
    collect()
  }

  // Everything heals: all attach, have credit without end, and everything commits.
  for (const consumer of consumers) {
    if (consumer.connectionId === undefined) attach(consumer)
    bench.commitAll()
    bench.packet(consumer.connectionId!, {
      type: PacketType.CREDIT,
      subscriptionId: 1,
      messages: 1_000_000,
      bytes: 1_000_000_000,
    })
  }
  bench.commitAll()
  collect()
  for (const consumer of consumers) {
    const wanted = [...topicOfOffset]
      .filter(
        ([offset, topic]) =>
          offset < bench.highWatermark &&
          consumer.filters.some((filter) => topicMatches(filter, topic)) &&
          isOpen(consumer, offset),
      )
      .map(([offset]) => offset)
      .sort((a, b) => a - b)
    const got = consumer.delivered.filter((offset) => isOpen(consumer, offset))
    expect(got, `${consumer.clientId} with ${consumer.filters.join(' ')}`).toEqual(wanted)
  }
}

function collectFrom(bench: EngineBench, consumer: Consumer, topicOfOffset: Map<number, string>): void {
  const packets = bench.take(consumer.connectionId!)
  const others: Packet[] = []
  for (const packet of packets) {
    if (packet.type === PacketType.ACKED) {
      for (const offset of consumer.asked.get(packet.requestId) ?? []) consumer.acked.add(offset)
      consumer.asked.delete(packet.requestId)
    }
    if (packet.type === PacketType.DELIVER) others.push(packet)
    expect([PacketType.ERROR, PacketType.DISCONNECT]).not.toContain(packet.type)
  }
  bench.sent.set(consumer.connectionId!, others)
  for (const { offset, topic } of bench.takeDelivered(consumer.connectionId!)) {
    expect(offset, 'only what is committed is delivered').toBeLessThan(bench.highWatermark)
    expect(topicOfOffset.get(offset)).toBe(topic)
    expect(consumer.filters.some((filter) => topicMatches(filter, topic))).toBe(true)
    expect(offset, 'ascending, once on an attachment').toBeGreaterThan(consumer.delivered.at(-1) ?? -1)
    expect(consumer.acked.has(offset), `offset ${offset} was acknowledged before`).toBe(false)
    consumer.delivered.push(offset)
  }
}

function ackSome(bench: EngineBench, consumer: Consumer, random: SeededRandom): void {
  const offsets = consumer.delivered.filter(() => random.chance(0.4))
  if (offsets.length === 0) return
  const ranges: number[] = []
  for (const offset of offsets) {
    if (ranges.at(-1) === offset) ranges[ranges.length - 1] = offset + 1
    else ranges.push(offset, offset + 1)
  }
  const requestId = bench.requestId()
  consumer.asked.set(requestId, offsets)
  bench.packet(consumer.connectionId!, { type: PacketType.ACK, requestId, subscriptionId: 1, ranges })
}

/** Whether the consumer must get the message on its last attachment. */
function isOpen(consumer: Consumer, offset: number): boolean {
  return !consumer.acked.has(offset) && !consumer.unknown.has(offset)
}
