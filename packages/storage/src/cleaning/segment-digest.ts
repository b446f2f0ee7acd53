import {
  appendTimeMsOf,
  batchBytesOf,
  hasHoles,
  isControl,
  type Offset,
  presentCountOf,
  recordCountOf,
} from '@gomq/protocol'
import { type BatchFacts, factsOf, isDeadBatch } from './liveness.js'
import { NO_RULE, type RuleBook } from './rules.js'
import type { SegmentWalk } from './segment-walk.js'

/** What the batches of one rule in a segment come to. */
export interface RuleTotals {
  bytes: number
  /** Messages; holes do not count. */
  count: number
  /** Append time of the first batch, ms since 1970. */
  firstTimeMs: number
  /** Append time of the last batch. */
  lastTimeMs: number
  /** Offset after the last batch. */
  endOffset: Offset
}

const INITIAL_BATCHES = 64
/** Bytes of memory of one batch. */
const BATCH_ROW_BYTES = 8 + 4 + 4 + 4 + 8 + 8 + 4

/**
 * The facts of every batch in a part of the log, in columns. Good for as long as the filters of the rules stay: it holds their indexes.
 */
export class SegmentDigest {
  /** By index of the rule; {@link NO_RULE} for topics that none governs and for control batches. */
  readonly totals: Map<number, RuleTotals> = new Map<number, RuleTotals>()
  #count = 0
  #baseOffsets = new Float64Array(INITIAL_BATCHES)
  #spans = new Uint32Array(INITIAL_BATCHES)
  #records = new Uint32Array(INITIAL_BATCHES)
  #bytes = new Uint32Array(INITIAL_BATCHES)
  #timesMs = new Float64Array(INITIAL_BATCHES)
  #expiresAtMs = new Float64Array(INITIAL_BATCHES)
  /** The rule's index; -2 for a control batch. */
  #rules = new Int32Array(INITIAL_BATCHES)

  /** Batches in it. */
  get count(): number {
    return this.#count
  }
  /** Bytes of memory of the columns, about. */
  get memoryBytes(): number {
    return this.#rules.length * BATCH_ROW_BYTES
  }

  /** All batches of a segment. */
  static async of(walk: SegmentWalk, book: RuleBook): Promise<SegmentDigest> {
    const digest = new SegmentDigest()
    for (let head = await walk.head(); head !== undefined; head = await walk.head()) {
      // Only the table says how many are left.
      digest.add(hasHoles(head) ? await walk.batch() : head, book)
      walk.advance()
    }
    return digest
  }

  /** Adds the next batch: header and topic, or all of one that has holes. */
  add(batch: Uint8Array, book: RuleBook): void {
    if (this.#count === this.#rules.length) this.#grow()
    const at = this.#count++
    const facts = factsOf(batch, book)
    const bytes = batchBytesOf(batch)
    const records = hasHoles(batch) ? presentCountOf(batch) : recordCountOf(batch)
    const timeMs = appendTimeMsOf(batch)
    this.#baseOffsets[at] = facts.baseOffset
    this.#spans[at] = facts.endOffset - facts.baseOffset
    this.#records[at] = records
    this.#bytes[at] = bytes
    this.#timesMs[at] = timeMs
    this.#expiresAtMs[at] = facts.expiresAtMs
    this.#rules[at] = isControl(batch) ? CONTROL : facts.rule
    let totals = this.totals.get(facts.rule)
    if (totals === undefined) {
      totals = { bytes: 0, count: 0, firstTimeMs: timeMs, lastTimeMs: timeMs, endOffset: facts.endOffset }
      this.totals.set(facts.rule, totals)
    }
    totals.bytes += bytes
    totals.count += records
    totals.lastTimeMs = timeMs
    totals.endOffset = facts.endOffset
  }

  /** The facts of the batch at `at`, from 0 to, not including, `count`. */
  factsAt(at: number): BatchFacts {
    const rule = this.#rules[at]!
    return {
      baseOffset: this.#baseOffsets[at]! as Offset,
      endOffset: this.endOffsetAt(at),
      isControl: rule === CONTROL,
      rule: rule === CONTROL ? NO_RULE : rule,
      expiresAtMs: this.#expiresAtMs[at]!,
    }
  }
  /** Index of the rule that governs the batch's topic; some other number below 0 for a control batch. */
  ruleAt(at: number): number {
    return this.#rules[at]!
  }
  /** Offset after the batch. */
  endOffsetAt(at: number): Offset {
    return (this.#baseOffsets[at]! + this.#spans[at]!) as Offset
  }
  /** Bytes of the batch. */
  bytesAt(at: number): number {
    return this.#bytes[at]!
  }
  /** Messages of the batch. */
  recordsAt(at: number): number {
    return this.#records[at]!
  }
  /** Append time of the batch, ms since 1970. */
  timeMsAt(at: number): number {
    return this.#timesMs[at]!
  }

  /** Bytes of the batches that live by the rules, and when the next of them expires (ms since 1970; infinity: none will). */
  live(book: RuleBook): { readonly bytes: number; readonly expiresAtMs: number } {
    let bytes = 0
    let expiresAtMs = Number.POSITIVE_INFINITY
    for (let at = 0; at < this.#count; at++) {
      if (isDeadBatch(this.factsAt(at), book)) continue
      bytes += this.#bytes[at]!
      if (this.#expiresAtMs[at]! > 0) expiresAtMs = Math.min(expiresAtMs, this.#expiresAtMs[at]!)
    }
    return { bytes, expiresAtMs }
  }

  #grow(): void {
    const twice = <T extends Float64Array | Uint32Array | Int32Array>(column: T, larger: T): T => {
      larger.set(column)
      return larger
    }
    const rows = this.#rules.length * 2
    this.#baseOffsets = twice(this.#baseOffsets, new Float64Array(rows))
    this.#spans = twice(this.#spans, new Uint32Array(rows))
    this.#records = twice(this.#records, new Uint32Array(rows))
    this.#bytes = twice(this.#bytes, new Uint32Array(rows))
    this.#timesMs = twice(this.#timesMs, new Float64Array(rows))
    this.#expiresAtMs = twice(this.#expiresAtMs, new Float64Array(rows))
    this.#rules = twice(this.#rules, new Int32Array(rows))
  }
}

/** In the place of a rule: a control batch. */
const CONTROL = -2
