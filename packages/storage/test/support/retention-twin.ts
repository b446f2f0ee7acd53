import { filtersOverlap, type RetentionPolicy, topicMatches } from '@gomq/protocol'
import type { CleaningRules } from '../../src/cleaning/rules.js'

/** One record, and all of its batch that matters. */
export interface TwinRecord {
  readonly offset: number
  readonly topic: string
  readonly key: string | Uint8Array | null
  readonly isTombstone: boolean
  /** Its bytes in the log. */
  readonly bytes: string
  readonly batch: {
    readonly base: number
    readonly end: number
    readonly bytes: number
    readonly timeMs: number
    readonly ttlMs: number
    readonly isControl: boolean
    readonly isCompressed: boolean
  }
  /** Whether the record can be decoded. */
  readonly isGood: boolean
}

const EXPIRY_MARGIN_MS = 60_000

/**
 * The dumb twin of the cleaner: an array of records, and sentences about it that look at every record for every answer.
 */
export class RetentionTwin {
  /** Every record that was ever appended, by offset. */
  readonly records: TwinRecord[] = []
  /** Those that some turn was allowed to remove. */
  readonly mayBeGone = new Set<number>()

  readonly #remembered = new WeakMap<
    CleaningRules,
    { readonly pinned: Set<number>; readonly governing: Map<string, CleaningRules['rules'][number] | undefined> }
  >()

  /** The policy that governs a topic; none governs control batches, which have no topic. */
  policyOf(topic: string, rules: CleaningRules): CleaningRules['rules'][number] | undefined {
    if (topic === '') return undefined
    const { governing } = this.#of(rules)
    if (!governing.has(topic)) governing.set(topic, this.#policyOf(topic, rules))
    return governing.get(topic)
  }

  #of(rules: CleaningRules) {
    let of = this.#remembered.get(rules)
    if (of === undefined) this.#remembered.set(rules, (of = { pinned: new Set(rules.pinned), governing: new Map() }))
    return of
  }

  /** No other that matches is as specific at the first level where they differ. */
  #policyOf(topic: string, rules: CleaningRules): CleaningRules['rules'][number] | undefined {
    const rank = (filter: string) =>
      filter
        .split('/')
        .map((level) => (level === '#' ? 'c' : level === '+' ? 'b' : 'a'))
        .join('')
    return rules.rules
      .filter(({ policy }) => topicMatches(policy.filter, topic) && filtersOverlap(policy.filter, topic))
      .sort((a, b) => (rank(a.policy.filter) < rank(b.policy.filter) ? -1 : 1))[0]
  }

  isDeadBatch({ topic, batch }: TwinRecord, rules: CleaningRules): boolean {
    if (batch.end > rules.cleanableTo) return false
    if (batch.isControl) return true
    if (this.#of(rules).pinned.has(batch.base)) return false
    if (batch.ttlMs > 0 && batch.timeMs + batch.ttlMs + EXPIRY_MARGIN_MS <= rules.nowMs) return true
    return batch.end <= (this.policyOf(topic, rules)?.before ?? 0)
  }

  /** Whether compaction looks at the record at all. */
  isCompacted({ topic, key, batch, isGood }: TwinRecord, rules: CleaningRules): boolean {
    return key !== null && isGood && !batch.isCompressed && this.policyOf(topic, rules)?.policy.isCompacted === true
  }

  isRipe({ topic, isTombstone, batch }: TwinRecord, rules: CleaningRules): boolean {
    const tombstoneMs = this.policyOf(topic, rules)?.policy.tombstoneMs ?? Number.POSITIVE_INFINITY
    return isTombstone && batch.timeMs + tombstoneMs <= rules.nowMs
  }

  /**
   * The records that a turn with these rules may remove, of those in `present`.
   *
   * @param end  where the last segment ends that may be cleaned
   */
  removable(present: ReadonlySet<number>, rules: CleaningRules, end: number): Set<number> {
    const here = this.records.filter(({ offset, batch }) => present.has(offset) && batch.end <= end)
    const removable = new Set<number>()
    const compacted = here.filter((record) => !this.isDeadBatch(record, rules) && this.isCompacted(record, rules))
    const byKey = new Map<string, TwinRecord[]>()
    for (const record of compacted) byKey.set(keyName(record), [...(byKey.get(keyName(record)) ?? []), record])
    for (const record of here) if (this.isDeadBatch(record, rules)) removable.add(record.offset)
    const { pinned } = this.#of(rules)
    for (const record of compacted) {
      if (pinned.has(record.offset)) continue
      const same = byKey.get(keyName(record))!
      if (same.some((other) => other.offset > record.offset)) removable.add(record.offset)
      else if (this.isRipe(record, rules) && !this.#hasLeftover(record, here, rules)) removable.add(record.offset)
    }
    return removable
  }

  /** Whether something older of a tombstone's key is there before the turn, or might be after it. */
  #hasLeftover(tombstone: TwinRecord, here: readonly TwinRecord[], rules: CleaningRules): boolean {
    return here.some(
      (other) =>
        other.offset < tombstone.offset &&
        other.topic === tombstone.topic &&
        !this.isDeadBatch(other, rules) &&
        (other.batch.isCompressed || (other.isGood && sameKey(other, tombstone))),
    )
  }

  /** The floor that a policy asks for: seen from each batch, what lies behind it. */
  wantedFloor(rules: CleaningRules, policy: RetentionPolicy, present: ReadonlySet<number>, to: number): number {
    const rule = rules.rules.find((one) => one.policy === policy)!
    const mine = this.records.filter(
      ({ offset, topic, batch }) =>
        present.has(offset) && batch.end <= to && !batch.isControl && this.policyOf(topic, rules)?.policy === policy,
    )
    let floor = rule.before as number
    for (const { batch } of mine) {
      const behind = mine.filter((other) => other.batch.base >= batch.end)
      const bytes = new Map(behind.map((other) => [other.batch.base, other.batch.bytes]))
      const bytesBehind = [...bytes.values()].reduce((sum, one) => sum + one, 0)
      const goes =
        (policy.maxAgeMs !== null && batch.timeMs + policy.maxAgeMs <= rules.nowMs) ||
        (policy.maxBytes !== null && bytesBehind >= policy.maxBytes) ||
        (policy.maxCount !== null && behind.length >= policy.maxCount)
      if (goes) floor = Math.max(floor, batch.end)
    }
    return floor
  }
}

export function sameKey(a: TwinRecord, b: TwinRecord): boolean {
  if (a.topic !== b.topic || a.key === null || b.key === null) return false
  return keyName(a) === keyName(b)
}

/** Topic and key in one text: text and bytes are never the same key. */
function keyName({ topic, key }: TwinRecord): string {
  return typeof key === 'string' ? `${topic} text ${key}` : `${topic} bytes ${[...(key ?? [])]}`
}
