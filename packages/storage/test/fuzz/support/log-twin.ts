import { appendTimeMsOf, baseOffsetOf, epochOf, isControl, nextOffsetOf, topicOf } from '@gomq/protocol'
import type { CleaningRules } from '../../../src/cleaning/rules.js'
import { RetentionTwin, sameKey, type TwinRecord } from '../../support/retention-twin.js'
import { type Command, foldAll, recordsOf, type State } from './folded-state.js'

/** A batch that was appended. */
export interface TwinBatch {
  readonly base: number
  readonly next: number
  readonly topic: string
  readonly epoch: number
  readonly timeMs: number
  readonly commands: readonly Command[]
}

/** A batch as it was found in the log. */
export interface FoundBatch {
  readonly header: string
  readonly base: number
  readonly next: number
  readonly bytes: number
  readonly records: readonly [offset: number, bytes: string][]
}

/** Describes a batch of the log. */
export function foundBatch(batch: Uint8Array): FoundBatch {
  const base = baseOffsetOf(batch)
  const records: [number, string][] = []
  for (const [index, start, end] of recordsOf(batch))
    records.push([base + index, Buffer.from(batch.subarray(start, end)).toString('latin1')])
  const next = nextOffsetOf(batch)
  const header = headerOf({
    base,
    next,
    topic: isControl(batch) ? '' : topicOf(batch),
    epoch: epochOf(batch),
    timeMs: appendTimeMsOf(batch),
  })
  return { header, base, next, bytes: batch.byteLength, records }
}

function headerOf({ base, next, topic, epoch, timeMs }: Omit<TwinBatch, 'commands'>): string {
  return `${base} to ${next} '${topic}' epoch ${epoch} at ${timeMs}`
}

/**
 * The dumb twin of a log that is cleaned: an array of all that was appended and not cut off, and of each record whether it may be gone, and
 * whether it was seen to be.
 */
export class LogTwin {
  readonly retention: RetentionTwin = new RetentionTwin()
  readonly batches: TwinBatch[] = []
  /** Everything below was reported as synced, and not given up since. */
  acked = 0
  /** Everything below was committed. */
  committed = 0
  /** The log's start when it was last looked at: it only rises. */
  start = 0
  /** The highest `cleanableTo` that a cleaner was ever given. */
  cleanedTo = 0
  /** Records that were not there when the log was last looked at: they do not come back. */
  readonly #gone = new Set<number>()
  /** Records that were dead with their whole batch by the rules of some turn. */
  readonly #wasDead = new Set<number>()

  get end(): number {
    return this.batches.at(-1)?.next ?? 0
  }

  append(batch: TwinBatch, records: readonly TwinRecord[]): void {
    this.batches.push(batch)
    this.retention.records.push(...records)
  }

  /** What begins at `to` or behind it is gone for good. */
  cut(to: number): void {
    const { records } = this.retention
    while (this.end > to) this.batches.pop()
    while ((records.at(-1)?.offset ?? -1) >= to) records.pop()
    this.acked = Math.min(this.acked, to)
  }

  /** What everything below `end` comes to. */
  stateAt(end: number): State {
    return foldAll(this.batches, end)
  }

  /** Records that are there, as far as anybody has looked. */
  get present(): Set<number> {
    return new Set(this.retention.records.map(({ offset }) => offset).filter((one) => !this.#gone.has(one)))
  }

  isGone(offset: number): boolean {
    return this.#gone.has(offset)
  }

  mayBeGone(offset: number): boolean {
    return this.retention.mayBeGone.has(offset)
  }

  /** A turn with these rules begins: it may do any part of its work. */
  handleTurn(rules: CleaningRules): void {
    const { retention } = this
    this.cleanedTo = Math.max(this.cleanedTo, rules.cleanableTo)
    for (const gone of retention.removable(this.present, rules, rules.cleanableTo)) retention.mayBeGone.add(gone)
    for (const record of retention.records)
      if (record.batch.end <= rules.cleanableTo && retention.isDeadBatch(record, rules))
        this.#wasDead.add(record.offset)
  }

  /** Compares with all that is in the log: nothing is lost, changed, invented, or back again. */
  compare(found: readonly FoundBatch[], start: number, end: number): void {
    if (start < this.start) throw new Error(`the log's start went back from ${this.start} to ${start}`)
    this.start = start
    const known = new Map(this.batches.map((batch) => [batch.base, headerOf(batch)]))
    const there = new Map<number, string>()
    let previous = -1
    for (const { header, base, records } of found) {
      if (base <= previous) throw new Error(`batch ${base} follows ${previous}`)
      previous = base
      if (known.get(base) !== header) throw new Error(`${header} came from nowhere; ${known.get(base)} was appended`)
      if (records.length === 0) throw new Error(`batch ${base} is empty`)
      for (const [offset, bytes] of records) there.set(offset, bytes)
    }
    for (const { offset, bytes } of this.retention.records) {
      if (offset >= end) continue
      const now = there.get(offset)
      if (now === undefined) {
        if (!this.mayBeGone(offset)) throw new Error(`record ${offset} was lost`)
        this.#gone.add(offset)
      } else if (now !== bytes) throw new Error(`record ${offset} was changed`)
      else if (this.#gone.has(offset)) throw new Error(`record ${offset} is back`)
      there.delete(offset)
    }
    if (there.size > 0) throw new Error(`records ${[...there.keys()].join()} came from nowhere`)
    this.#checkTombstones()
  }

  /** Where a tombstone is gone, what it hid does not live. */
  #checkTombstones(): void {
    const keyed = new Map<string, TwinRecord[]>()
    for (const record of this.retention.records) {
      if (record.key === null) continue
      const name = `${record.topic} ${String(record.key)}`
      const same = keyed.get(name)
      if (same === undefined) keyed.set(name, [record])
      else same.push(record)
    }
    for (const same of keyed.values()) {
      const last = same.findLastIndex(({ offset }) => !this.#gone.has(offset))
      const tombstone = same.findLast(
        ({ offset, isTombstone }, i) => i > last && isTombstone && this.#isCompactedAway(offset),
      )
      if (tombstone === undefined || last === -1) continue
      const hidden = same[last]!
      if (sameKey(hidden, tombstone) && !this.#wasDead.has(hidden.offset))
        throw new Error(`tombstone ${tombstone.offset} is gone and ${hidden.offset} lives again`)
    }
  }

  #isCompactedAway(offset: number): boolean {
    return this.#gone.has(offset) && !this.#wasDead.has(offset)
  }

  /** Control batches that are not in the log end at or below this. */
  get controlGoneTo(): number {
    const gone = this.retention.records.findLast(({ offset, batch }) => batch.isControl && this.#gone.has(offset))
    return gone?.batch.end ?? 0
  }

  /** The epochs that have batches behind `start`, where the log begins now, with their first offsets. */
  epochStartsFrom(start: number): { epoch: number; startOffset: number }[] {
    const left = this.batches.filter((batch) => batch.next > start)
    const starts: { epoch: number; startOffset: number }[] = []
    for (const [i, { base, epoch }] of left.entries())
      if (epoch !== left[i - 1]?.epoch) starts.push({ epoch, startOffset: Math.max(base, start) })
    return starts
  }
}
