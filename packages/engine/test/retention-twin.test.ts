import {
  baseOffsetOf,
  comparePolicies,
  isControl,
  nextOffsetOf,
  type Packet,
  PacketType,
  RETENTION_DEFAULTS,
  topicMatches,
} from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { type ControlRecord, decodeControlBatch } from '../src/control-record.js'
import { EngineBench } from './support/engine-bench.js'

const SEEDS = process.env['GOMQ_LONG'] ? 20_000 : 40
const FIRST_SEED = Number(process.env['GOMQ_SEED'] ?? 1)
const STEPS = 100
const TOPICS = ['a', 'a/b', 'a/c', 'd']
const FILTERS = [['a'], ['a/+'], ['#'], ['a/#', 'd'], ['d', 'a/c']]
const POLICIES = ['#', 'a/#', 'a/+', 'a/b', 'd']

/** What was published, and what became of it. */
interface Stored {
  readonly topic: string
  readonly base: number
  readonly next: number
  readonly isRetained: boolean
  /** Its bytes are gone. */
  isGone: boolean
  /** Gone without having been dead: compaction took it. */
  isCompacted: boolean
  /** Was dead at some time. */
  wasDead: boolean
}

/** A durable subscriber as the twin sees it. */
interface Consumer {
  readonly clientId: string
  readonly filters: string[]
  /** Never loses its connection: it must be told of everything that it misses. */
  readonly isSteady: boolean
  connectionId: number | undefined
  /** Batches that were dead or gone when it first subscribed. */
  deadAtStart: Set<number> | undefined
  /** On this attachment. */
  delivered: number[]
  deliveredEver: Set<number>
  asked: Map<number, number[]>
  /** Acknowledged, or asked to be without an answer. */
  acked: Set<number>
  missed: [from: number, to: number][]
}

/** The engine and a naive account of what is dead. */
class Program {
  readonly bench = new EngineBench()
  readonly random: SeededRandom
  readonly stored: Stored[] = []
  readonly consumers: Consumer[]
  /** Filter and floor of every policy, as of the last step. */
  floors = new Map<string, number>()
  readonly #records = new WeakMap<Uint8Array, ControlRecord[]>()
  #nextConnection = 10
  #published = 0

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.consumers = Array.from({ length: 3 }, (_, i) => ({
      clientId: `c${i}`,
      filters: this.random.pick(FILTERS),
      isSteady: i === 0,
      connectionId: undefined,
      deadAtStart: undefined,
      delivered: [],
      deliveredEver: new Set(),
      asked: new Map(),
      acked: new Set(),
      missed: [],
    }))
    this.bench.connect(1, null)
  }

  get committed(): Stored[] {
    return this.stored.filter(({ next }) => next <= this.bench.highWatermark)
  }

  isDead({ topic, base, next, isRetained }: Stored, floors = this.floors): boolean {
    const governing = [...floors.keys()]
      .map((filter) => ({ filter }))
      .sort(comparePolicies)
      .find(({ filter }) => topicMatches(filter, topic))
    if (governing === undefined || next > floors.get(governing.filter)!) return false
    const newest = this.committed.findLast((each) => each.topic === topic && each.isRetained)
    return !isRetained || newest?.base !== base
  }

  /** Notes what the step did. */
  observe(): void {
    const { bench } = this
    const before = this.floors
    this.floors = this.#fold()
    for (const each of this.committed) if (this.isDead(each)) each.wasDead = true
    for (const consumer of this.consumers) if (consumer.connectionId !== undefined) this.#collect(consumer, before)
    for (const rule of bench.engine.listing.policies())
      expect(this.floors.get(rule.policy.filter), rule.policy.filter).toBe(rule.before)
    expect(bench.engine.listing.policies().length).toBe(this.floors.size)
  }

  publish(): void {
    const { bench, random } = this
    const topic = random.pick(TOPICS)
    const isRetained = random.chance(0.2)
    const values = Array.from({ length: isRetained ? 1 : 1 + random.below(4) }, () => `m${this.#published++}`)
    const base = bench.logEnd
    bench.publish(1, topic, values, { retain: isRetained })
    const fate = { isGone: false, isCompacted: false, wasDead: false }
    this.stored.push({ topic, base, next: bench.logEnd, isRetained, ...fate })
  }

  attach(consumer: Consumer): void {
    const { bench, random } = this
    consumer.connectionId = this.#nextConnection++
    consumer.delivered = []
    consumer.asked.clear()
    bench.connect(consumer.connectionId, consumer.clientId)
    this.observe()
    consumer.deadAtStart ??= new Set(
      this.committed.filter((each) => each.isGone || this.isDead(each)).map(({ base }) => base),
    )
    bench.subscribe(consumer.connectionId, 1, consumer.filters, {
      name: 's',
      from: { kind: 'earliest' },
      messages: random.chance(0.5) ? 1 + random.below(5) : 1000,
      bytes: random.chance(0.3) ? 1 + random.below(100) : 1_000_000,
    })
    // It stands, so that the twin knows what was dead when it began.
    bench.commit(bench.log.length)
  }

  ack(consumer: Consumer, share: number): void {
    const offsets = consumer.delivered.filter(() => this.random.chance(share))
    if (offsets.length === 0) return
    const ranges: number[] = []
    for (const offset of offsets) {
      if (ranges.at(-1) === offset) ranges[ranges.length - 1] = offset + 1
      else ranges.push(offset, offset + 1)
      consumer.acked.add(offset)
    }
    const requestId = this.bench.requestId()
    this.bench.packet(consumer.connectionId!, { type: PacketType.ACK, requestId, subscriptionId: 1, ranges })
  }

  changePolicies(): void {
    const { bench, random } = this
    const filter = random.pick(POLICIES)
    if (random.chance(0.25)) {
      if (bench.engine.listing.policy(filter) === undefined || bench.highWatermark < bench.logEnd) return
      bench.engine.removePolicy(filter, bench.nowMs)
    } else bench.engine.putPolicy({ ...RETENTION_DEFAULTS, filter }, bench.nowMs)
  }

  /** The cleaner removes some of what is dead, or compaction something that lives; the log's start may move. */
  clean(): void {
    const { bench, random } = this
    const gone = new Set<number>()
    for (const each of this.committed) {
      if (each.isGone) continue
      const isDead = this.isDead(each)
      const isNewest =
        each.isRetained &&
        this.committed.findLast(({ topic, isRetained }) => isRetained && topic === each.topic) === each
      if (isDead ? random.chance(0.8) : !isNewest && random.chance(0.03)) {
        each.isGone = true
        each.isCompacted = !isDead
        gone.add(each.base)
      }
    }
    bench.clean((batch) => gone.has(baseOffsetOf(batch)))
    if (random.chance(0.5)) return
    const start = this.committed.find(({ isGone }) => !isGone)?.base ?? bench.highWatermark
    if (start <= bench.logStart) return
    if (random.chance(0.5)) bench.moveStart(start)
    else bench.logStart = start
  }

  crash(): void {
    this.observe()
    const { bench, stored } = this
    while (stored.length > 0 && stored.at(-1)!.next > bench.highWatermark) stored.pop()
    bench.crash()
    for (const each of this.consumers) each.connectionId = undefined
    bench.connect(1, null)
  }

  #fold(): Map<string, number> {
    const floors = new Map<string, number>()
    for (const batch of this.bench.log) {
      if (!isControl(batch) || nextOffsetOf(batch) > this.bench.highWatermark) continue
      let records = this.#records.get(batch)
      if (records === undefined) this.#records.set(batch, (records = decodeControlBatch(batch)))
      for (const record of records) {
        if (record.kind === 'policy') floors.set(record.policy.filter, floors.get(record.policy.filter) ?? 0)
        else if (record.kind === 'removePolicy') floors.delete(record.filter)
        else if (record.kind === 'retentionTick')
          for (const [filter, before] of record.floors)
            if (floors.has(filter)) floors.set(filter, Math.max(before, floors.get(filter)!))
      }
    }
    return floors
  }

  #collect(consumer: Consumer, floorsBefore: ReadonlyMap<string, number>): void {
    const { bench } = this
    const connectionId = consumer.connectionId!
    const deliveries: Packet[] = []
    for (const packet of bench.take(connectionId)) {
      if (packet.type === PacketType.DELIVER) deliveries.push(packet)
      if (packet.type === PacketType.MISSED) {
        expect(packet.from).toBeLessThan(packet.to)
        consumer.missed.push([packet.from, packet.to])
      }
      expect([PacketType.ERROR, PacketType.DISCONNECT]).not.toContain(packet.type)
    }
    bench.sent.set(connectionId, deliveries)
    for (const { offset, topic } of bench.takeDelivered(connectionId)) {
      const batch = this.stored.find(({ base, next }) => base <= offset && offset < next)!
      expect(topic).toBe(batch.topic)
      expect(offset, 'ascending, once on an attachment').toBeGreaterThan(consumer.delivered.at(-1) ?? -1)
      expect(this.isDead(batch, new Map(floorsBefore)) && this.isDead(batch), `offset ${offset} is dead`).toBe(false)
      consumer.delivered.push(offset)
      consumer.deliveredEver.add(offset)
    }
  }
}

test(`retention takes away what is dead and nothing else, and every consumer goes on (${SEEDS} programs)`, {
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
  const program = new Program(seed)
  const { bench, random, consumers } = program
  const mayCrash = random.chance(0.5)
  for (let step = 0; step < STEPS; step++) {
    const consumer = random.pick(consumers)
    const { connectionId } = consumer
    const operation = random.below(100)
    if (operation < 25) program.publish()
    else if (operation < 43) bench.commit(bench.log.length - random.below(3))
    else if (operation < 55) bench.answerRead()
    else if (operation < 65) {
      if (connectionId === undefined) program.attach(consumer)
      else if (!consumer.isSteady && random.chance(0.3)) {
        bench.engine.handleClosed(connectionId, bench.nowMs)
        consumer.connectionId = undefined
      }
    } else if (operation < 73) {
      if (connectionId !== undefined) program.ack(consumer, 0.4)
    } else if (operation < 80) {
      const more = { messages: random.below(10), bytes: random.below(500) }
      if (connectionId !== undefined)
        bench.packet(connectionId, { type: PacketType.CREDIT, subscriptionId: 1, ...more })
    } else if (operation < 85) program.changePolicies()
    else if (operation < 91) bench.survey([random.pick(POLICIES), random.below(bench.highWatermark + 1)])
    else if (operation < 98) program.clean()
    else if (mayCrash) program.crash()
    program.observe()
  }
  heal(program)
  for (const consumer of consumers) check(program, consumer, mayCrash)
}

/** All attach, have credit without end, and acknowledge what they get; everything commits. */
function heal(program: Program): void {
  const { bench, consumers } = program
  for (const consumer of consumers) {
    if (consumer.connectionId === undefined) program.attach(consumer)
    bench.commitAll()
    const more = { messages: 1_000_000, bytes: 1_000_000_000 }
    bench.packet(consumer.connectionId!, { type: PacketType.CREDIT, subscriptionId: 1, ...more })
  }
  bench.commitAll()
  program.observe()
}

function check(program: Program, consumer: Consumer, mayCrash: boolean): void {
  const { bench } = program
  const ackedBefore = new Set(consumer.acked)
  program.ack(consumer, 1)
  bench.commitAll()
  for (const each of program.committed) {
    if (!consumer.filters.some((filter) => topicMatches(filter, each.topic))) continue
    const isMissed = (offset: number) => consumer.missed.some(([from, to]) => from <= offset && offset < to)
    for (let offset = each.base; offset < each.next; offset++) {
      const where = `${consumer.clientId} with ${consumer.filters.join(' ')}, offset ${offset} of ${each.topic}`
      if (ackedBefore.has(offset)) continue
      if (!each.isGone && !program.isDead(each))
        expect(consumer.delivered.includes(offset) || isMissed(offset) || each.wasDead, where).toBe(true)
      const isOwed = each.wasDead && !each.isCompacted && !consumer.deadAtStart!.has(each.base)
      if (isOwed && consumer.isSteady && !mayCrash)
        expect(consumer.deliveredEver.has(offset) || isMissed(offset), `${where} is told`).toBe(true)
      if (consumer.isSteady && !mayCrash)
        expect(consumer.deliveredEver.has(offset) && isMissed(offset), `${where} is told and delivered`).toBe(false)
    }
  }
  const [view] = bench.engine.listing.subscriptionsOf(consumer.clientId)
  expect(view, 'nothing waits for what nobody can deliver').toMatchObject({ unacked: 0 })
}
