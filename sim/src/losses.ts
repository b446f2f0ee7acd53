import { filtersOverlap, type RetentionPolicy, topicMatches } from '@gomq/protocol'
import type { Delivered, History, PublishCall, SubscriptionLife } from './history.js'

/** No batch of one message of a run has more bytes. */
const BATCH_BYTES_MAX = 512

/** What was stored once, as far as anybody saw it, and what of it policies allow to be gone. Where nobody knows, it allows more, never less. */
export class Losses {
  /** By offset, ascending: all that was read back, delivered, or acknowledged with its offset. */
  readonly known: ReadonlyMap<number, Delivered>
  readonly #history: History
  readonly #calls = new Map<string, PublishCall>()
  /** Publishes that may be stored at an offset that nobody knows. */
  readonly #unknown: readonly PublishCall[]
  /** Offsets of the newest retained message of each topic. */
  readonly #pinned: ReadonlySet<number>
  readonly #newer = new Map<string, readonly number[]>()
  readonly #mayBeGone = new Map<number, boolean>()
  readonly #lastOfKey = new Map<string, number>()

  /** @param nameOf  the value of a publish */
  constructor(history: History, nameOf: (call: PublishCall) => string) {
    this.#history = history
    const found: Delivered[] = [...history.readBack]
    for (const life of history.lives) for (const each of life.delivered) if (each.offset >= 0) found.push(each)
    for (const call of history.publishes) {
      this.#calls.set(nameOf(call), call)
      if (call.outcome === 'ok' && call.isLogged && call.offset >= 0)
        found.push({ offset: call.offset as Delivered['offset'], topic: call.topic, value: nameOf(call) })
    }
    const known = new Map<number, Delivered>()
    for (const each of found.sort((a, b) => a.offset - b.offset))
      if (!known.has(each.offset)) known.set(each.offset, each)
    this.known = known
    const values = new Set([...known.values()].map(({ value }) => value))
    this.#unknown = [...this.#calls]
      .filter(([value, call]) => call.isLogged && call.outcome !== 'fail' && !values.has(value))
      .map(([, call]) => call)
    const pinned = new Map<string, number>()
    for (const { offset, topic, value } of known.values()) {
      const call = this.#calls.get(value)
      if (call?.isRetained) pinned.set(topic, offset)
      if (call !== undefined && call.key !== null) this.#lastOfKey.set(`${topic} ${call.key}`, offset)
    }
    this.#pinned = new Set(pinned.values())
  }

  /** What is known and not in `stored`. */
  gone(stored: ReadonlyMap<number, Delivered>): Delivered[] {
    return [...this.known.values()].filter(({ offset }) => !stored.has(offset))
  }

  /** The newest retained message of each topic stays. */
  isPinned(offset: number): boolean {
    return this.#pinned.has(offset)
  }

  /** Whether policies may have removed it. */
  mayBeGone(message: Delivered): boolean {
    const { offset, topic } = message
    let may = this.#mayBeGone.get(offset)
    if (may === undefined) {
      may = !this.isPinned(offset) && this.policiesOf(topic).some((each) => this.#lets(each, message))
      this.#mayBeGone.set(offset, may)
    }
    return may
  }

  /** The publish that a message comes from; undefined for a will. */
  callOf({ value }: Delivered): PublishCall | undefined {
    return this.#calls.get(value)
  }

  /** Every policy that may have governed the topic at some time. */
  policiesOf(topic: string): readonly RetentionPolicy[] {
    const calls = this.#history.policies.filter((call) => call.outcome !== 'fail' && topicMatches(call.filter, topic))
    // One that surely came first, and only ever kept this very topic, hides the wider ones.
    const own = calls.filter((call) => call.filter === topic)
    const isFirst = calls[0]?.filter === topic && calls[0].outcome === 'ok'
    const isKept = isFirst && own.every(({ policy }) => policy !== null && isForEver(policy))
    return isKept ? [] : calls.flatMap(({ policy }) => policy ?? [])
  }

  /** Keys of compacted topics whose last record is a tombstone: its offset, by `topic key`. */
  *tombstones(): Generator<readonly [string, number]> {
    for (const [key, offset] of this.#lastOfKey)
      if (this.callOf(this.known.get(offset)!)!.isTombstone) yield [key, offset]
  }

  #lets(policy: RetentionPolicy, message: Delivered): boolean {
    const call = this.callOf(message)
    if (call === undefined) return !isForEver(policy)
    const ageMs = this.#history.endMs - call.calledMs
    if (policy.maxAgeMs !== null && ageMs >= policy.maxAgeMs) return true
    const newer = this.#countNewer(policy.filter, message.offset)
    if (policy.maxCount !== null && newer >= policy.maxCount) return true
    if (policy.maxBytes !== null && newer * BATCH_BYTES_MAX >= policy.maxBytes) return true
    if (policy.isAckedRemoved && this.#isAcked(policy, message, call)) return true
    if (!policy.isCompacted || call.key === null) return false
    const isLast = this.#lastOfKey.get(`${call.topic} ${call.key}`) === message.offset
    if (!isLast || this.#unknown.some(({ topic, key }) => topic === call.topic && key === call.key)) return true
    return call.isTombstone && ageMs >= policy.tombstoneMs
  }

  /** Messages above `offset` under the filter, those included that may be there. */
  #countNewer(filter: string, offset: number): number {
    let offsets = this.#newer.get(filter)
    if (offsets === undefined) {
      offsets = [...this.known.values()].filter(({ topic }) => topicMatches(filter, topic)).map((each) => each.offset)
      this.#newer.set(filter, offsets)
    }
    const unknown = this.#unknown.filter(({ topic }) => topicMatches(filter, topic)).length
    return offsets.filter((each) => each > offset).length + unknown
  }

  /** Whether each durable subscription that overlaps the filter, and was there before the message, has dealt with it. */
  #isAcked(policy: RetentionPolicy, message: Delivered, call: PublishCall): boolean {
    const lives = new Map<string, SubscriptionLife[]>()
    for (const life of this.#history.lives)
      if (life.durable !== null && life.filters.some((filter) => filtersOverlap(filter, policy.filter)))
        lives.set(life.durable, [...(lives.get(life.durable) ?? []), life])
    for (const each of lives.values()) {
      if (!each[0]!.filters.some((filter) => topicMatches(filter, message.topic))) continue
      if (each.some((life) => life.ackCalled.has(message.offset))) continue
      const wasThere = each.some((life) => life.subscribedMs < call.calledMs)
      if (wasThere || each.some((life) => life.delivered.some(({ offset }) => offset === message.offset))) return false
    }
    return lives.size > 0
  }
}

function isForEver({ maxAgeMs, maxBytes, maxCount, isAckedRemoved, isCompacted }: RetentionPolicy): boolean {
  return maxAgeMs === null && maxBytes === null && maxCount === null && !isAckedRemoved && !isCompacted
}
