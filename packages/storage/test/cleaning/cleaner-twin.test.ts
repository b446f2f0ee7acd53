import {
  Attribute,
  BatchBuilder,
  baseOffsetOf,
  bodyCrc,
  epoch,
  headerCrc,
  offset,
  presentRanges,
  producerId,
  RETENTION_DEFAULTS,
  type RetentionPolicy,
  recordBytesOf,
  recordsStartOf,
  stampLeader,
  writeU32,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { type Cleaner, createCleaner } from '../../src/cleaning/cleaner.js'
import { LocalCleaningWork } from '../../src/cleaning/cleaning-work.js'
import type { CleaningRules, RetentionRule } from '../../src/cleaning/rules.js'
import type { Log } from '../../src/log.js'
import { SimDisk } from '../../src/testing/sim-disk.js'
import { openSimLog, settle } from '../support/open-sim-log.js'
import { RetentionTwin, sameKey, type TwinRecord } from '../support/retention-twin.js'

const SEEDS = process.env['GOMQ_LONG'] ? 5000 : 50
const FIRST_SEED = Number(process.env['GOMQ_SEED'] ?? 1)
const STEPS = 50
const SEGMENT_BYTES = 2500
const TOPICS = ['a/1', 'a/2', 'b/1', 'b', 'c/x/y']
const FILTERS = ['#', 'a/#', 'a/+', 'a/1', 'b/#', 'b', '+/1', 'c/+/y']

test(`what must survive is there byte by byte, and what need not is gone (${SEEDS} programs)`, {
  timeout: 3_600_000,
}, async () => {
  const counts: Counts = { turns: 0, dropped: 0, rewritten: 0, gone: 0, holes: 0, floors: 0, tombstones: 0 }
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    try {
      await new Program(seed, counts).run()
    } catch (error) {
      throw new Error(`GOMQ_SEED=${seed}: ${error instanceof Error ? error.stack : String(error)}`, { cause: error })
    }
  }
  console.log(`cleaning: ${SEEDS} programs, ${JSON.stringify(counts)}`)
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(SEEDS / 10)
})

type Counts = Record<'turns' | 'dropped' | 'rewritten' | 'gone' | 'holes' | 'floors' | 'tombstones', number>

class Program {
  readonly #random: SeededRandom
  readonly #counts: Counts
  readonly #disk: SimDisk
  readonly #twin = new RetentionTwin()
  #log!: Log
  #cleaner!: Cleaner
  #nowMs = 1_000_000
  #policies: RetentionPolicy[] = []
  #before = new Map<string, number>()
  #cleanableTo = 0

  constructor(seed: number, counts: Counts) {
    this.#random = new SeededRandom(seed)
    this.#counts = counts
    this.#disk = new SimDisk(new SeededRandom(seed))
  }

  async run(): Promise<void> {
    await this.#open()
    for (let step = 0; step < STEPS; step++) {
      const choice = this.#random.below(20)
      if (choice < 9) await this.#append(1 + this.#random.below(12))
      else if (choice < 11) this.#changePolicies()
      else if (choice < 13) this.#nowMs += this.#random.below(90_000)
      else if (choice < 15) await this.#survey()
      else if (choice < 18) await this.#clean()
      else if (choice < 19) await this.#reopen()
      else this.#cleaner = this.#newCleaner()
    }
    await this.#survey()
    await this.#clean()
    await this.#log.close()
  }

  async #open(): Promise<void> {
    const { log } = await openSimLog(this.#disk, { segmentBytes: SEGMENT_BYTES })
    this.#log = log
    log.setHighWatermark(log.logEndOffset)
    this.#cleaner = this.#newCleaner()
  }

  #newCleaner(): Cleaner {
    // Few keys in memory make a pass stop in the middle of the log.
    const keyBytesMax = this.#random.chance(0.3) ? 1500 : 1_000_000
    return createCleaner({ fs: this.#disk.mount(), crc32, segmentBytes: SEGMENT_BYTES, keyBytesMax })
  }

  async #reopen(): Promise<void> {
    await this.#log.close()
    if (this.#random.chance(0.5)) this.#disk.crash()
    await this.#open()
  }

  async #append(batches: number): Promise<void> {
    for (let i = 0; i < batches; i++) {
      this.#nowMs += this.#random.below(500)
      this.#appendOne()
    }
    await settle()
    while (this.#log.syncedOffset < this.#log.logEndOffset) await settle()
    this.#log.setHighWatermark(this.#log.syncedOffset)
  }

  #appendOne(): void {
    const random = this.#random
    const isControl = random.chance(0.15)
    const isCompressed = !isControl && random.chance(0.03)
    const isBad = !isControl && random.chance(0.05)
    const topic = isControl ? '' : random.pick(TOPICS)
    const ttlMs = !isControl && random.chance(0.1) ? 1 + random.below(60_000) : 0
    const attributes = 1 | (isControl ? Attribute.CONTROL : 0)
    const builder = new BatchBuilder(topic, attributes, ttlMs)
    const keys: TwinRecord['key'][] = []
    const values: string[] = []
    for (let i = 0, count = 1 + random.below(5); i < count; i++) {
      const name = `k${random.below(4)}`
      keys.push(random.chance(0.15) ? null : random.chance(0.15) ? Buffer.from(name) : name)
      values.push(random.chance(0.25) ? '' : `${this.#log.logEndOffset + i}`.padEnd(random.below(60), '.'))
      builder.append({ timestampDeltaMs: 0, key: keys[i]!, value: values[i]!, headers: null })
    }
    const producer = { baseTimestampMs: 0, producerId: producerId(0), producerEpoch: 0, firstSequence: 0 }
    const batch = builder.finish(producer, crc32)
    // The first record becomes no array of four.
    if (isBad) batch[recordsStartOf(batch)] = 0x93
    if (isCompressed) writeU32(batch, 52, attributes | (ttlMs > 0 ? Attribute.EXPIRING : 0) | 0x200)
    writeU32(batch, 44, bodyCrc(batch, crc32))
    stampLeader(batch, this.#log.logEndOffset, epoch(1), this.#nowMs)
    writeU32(batch, 4, headerCrc(batch, crc32))
    const base = baseOffsetOf(batch)
    const facts = {
      base,
      end: base + keys.length,
      bytes: batch.byteLength,
      timeMs: this.#nowMs,
      ttlMs,
      isControl,
      isCompressed,
    }
    for (const [index, bytes] of recordsOf(batch))
      this.#twin.records.push({
        offset: base + index,
        topic,
        key: keys[index]!,
        isTombstone: keys[index] !== null && values[index] === '',
        bytes,
        batch: facts,
        isGood: !isBad || index > 0,
      })
    this.#log.append(batch)
  }

  #changePolicies(): void {
    const random = this.#random
    const some = (p: number, max: number) => (random.chance(p) ? 1 + random.below(max) : null)
    this.#policies = FILTERS.filter(() => random.chance(0.35)).map((filter) => ({
      ...RETENTION_DEFAULTS,
      filter,
      maxAgeMs: some(0.2, 120_000),
      maxBytes: some(0.2, 4000),
      maxCount: some(0.2, 40),
      isCompacted: random.chance(0.6),
      tombstoneMs: random.below(100_000),
    }))
    // As the engine does: the floor of a filter stays as long as it has a policy.
    for (const filter of this.#before.keys())
      if (!this.#policies.some((policy) => policy.filter === filter)) this.#before.delete(filter)
  }

  #rules(): CleaningRules {
    const log = this.#log
    // It never goes back: the older snapshot does not.
    const bases = [...new Set(this.#twin.records.map(({ batch }) => batch.base)), log.highWatermark as number]
    if (this.#random.chance(0.7))
      this.#cleanableTo = Math.max(
        this.#cleanableTo,
        this.#random.chance(0.5) ? log.highWatermark : this.#random.pick(bases),
      )
    const pinned = this.#twin.records
      .filter(({ offset, batch }) => batch.end === batch.base + 1 && offset % 5 === this.#policies.length % 5)
      .map(({ offset }) => offset)
    const rules = this.#policies.map(
      (policy): RetentionRule => ({ policy, before: offset(this.#before.get(policy.filter) ?? 0) }),
    )
    // In any order.
    return {
      rules,
      pinned: Float64Array.from(pinned).reverse(),
      cleanableTo: offset(this.#cleanableTo),
      nowMs: this.#nowMs,
    }
  }

  async #survey(): Promise<void> {
    const rules = this.#rules()
    const present = new Set((await this.#contents()).keys())
    const { floors, policies } = await this.#cleaner.survey(this.#log, rules)
    const found = new Map(floors.map(({ filter, before }) => [filter, before as number]))
    rules.rules.forEach(({ policy, before }, index) => {
      // Bytes of batches with holes are fewer than the twin knows.
      const hasHoles = policy.maxBytes !== null && present.size < this.#twin.records.length
      const wanted = this.#twin.wantedFloor(rules, policy, present, this.#log.highWatermark)
      if (!hasHoles) expect([policy, found.get(policy.filter) ?? before]).toEqual([policy, wanted])
      expect(policies[index]!.wanted).toBe(found.get(policy.filter) ?? before)
    })
    this.#counts.floors += floors.length
    // A floor may lie anywhere, also inside a batch.
    for (const { filter, before } of floors)
      this.#before.set(filter, Math.min(before + this.#random.below(4), this.#log.highWatermark))
  }

  async #clean(): Promise<void> {
    const rules = this.#rules()
    const isFresh = this.#random.chance(0.5)
    if (isFresh) this.#cleaner = createCleaner({ fs: this.#disk.mount(), crc32, segmentBytes: SEGMENT_BYTES })
    const twin = this.#twin
    const before = await this.#contents()
    const end = this.#log.sealedSegments.findLast(({ endOffset }) => endOffset <= rules.cleanableTo)?.endOffset ?? 0
    const removable = twin.removable(new Set(before.keys()), rules, end)
    for (const gone of removable) twin.mayBeGone.add(gone)
    const result = await this.#cleaner.clean(this.#log, rules, isFresh ? 1e9 : this.#random.below(4000))
    const after = await this.#contents()
    for (const { offset, bytes } of twin.records)
      if (!twin.mayBeGone.has(offset) && after.get(offset) !== bytes) throw new Error(`${offset} was lost or changed`)
    for (const [offset, bytes] of after)
      if (before.get(offset) !== bytes) throw new Error(`${offset} came from nowhere`)
    this.#checkTombstones(before, after, rules)
    if (isFresh) await this.#checkThorough(after, removable, rules, end)
    expect(result.logStartOffset).toBe(this.#log.logStartOffset)
    this.#counts.turns++
    this.#counts.dropped += result.segmentsDropped
    this.#counts.rewritten += result.segmentsRewritten
    this.#counts.gone += before.size - after.size
  }

  /** A tombstone whose time has come goes after everything older of its key. */
  #checkTombstones(
    before: ReadonlyMap<number, string>,
    after: ReadonlyMap<number, string>,
    rules: CleaningRules,
  ): void {
    const { records } = this.#twin
    for (const record of records) {
      if (!record.isTombstone || !before.has(record.offset) || after.has(record.offset)) continue
      if (this.#twin.isDeadBatch(record, rules)) continue
      if (records.some((other) => other.offset > record.offset && sameKey(other, record) && after.has(other.offset)))
        continue
      this.#counts.tombstones++
      const older = records.filter(
        (other) => other.offset < record.offset && sameKey(other, record) && other.isGood && after.has(other.offset),
      )
      expect(older.filter((other) => !this.#twin.isDeadBatch(other, rules))).toEqual([])
    }
  }

  /** After a turn with all the budget and all the memory, compacted topics hold exactly what must live, and no segment is mostly dead. */
  async #checkThorough(
    after: ReadonlyMap<number, string>,
    removable: ReadonlySet<number>,
    rules: CleaningRules,
    end: number,
  ): Promise<void> {
    for (const record of this.#twin.records)
      if (
        record.batch.end <= end &&
        this.#twin.isCompacted(record, rules) &&
        removable.has(record.offset) &&
        after.has(record.offset)
      )
        throw new Error(`${record.offset} is still there`)
    const context = { fs: this.#disk.mount(), crc32, pause: async () => undefined }
    const work = new LocalCleaningWork(context, 1000)
    const segments = this.#log.sealedSegments.filter(({ endOffset }) => endOffset <= rules.cleanableTo)
    await work.begin({ segments, rules })
    const plan = await work.plan({ segments, budgetBytes: 1e9, segmentBytes: SEGMENT_BYTES })
    expect([plan.dropped, plan.groups]).toEqual([[], []])
  }

  /** The bytes of every record that is in the log, by offset. */
  async #contents(): Promise<Map<number, string>> {
    const contents = new Map<number, string>()
    let previous = -1
    await this.#log.replay(this.#log.logStartOffset, (batch) => {
      const base = baseOffsetOf(batch)
      if (base <= previous) throw new Error(`batch ${base} follows ${previous}`)
      for (const [index, bytes] of recordsOf(batch)) contents.set(base + index, bytes)
      previous = base
      if (presentRanges(batch).length !== 2) this.#counts.holes++
    })
    return contents
  }
}

function* recordsOf(batch: Uint8Array): Generator<[number, string]> {
  const ranges = presentRanges(batch)
  let at = recordsStartOf(batch)
  for (let i = 0; i < ranges.length; i += 2)
    for (let index = ranges[i]!; index < ranges[i + 1]!; index++) {
      const bytes = recordBytesOf(batch, index)
      yield [index, Buffer.from(batch.subarray(at, at + bytes)).toString('hex')]
      at += bytes
    }
}
