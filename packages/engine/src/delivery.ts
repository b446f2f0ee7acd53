import {
  Attribute,
  attributesOf,
  baseOffsetOf,
  Compression,
  compressionOf,
  hasHoles,
  isControl,
  isExpired,
  nextOffsetOf,
  type Offset,
  PacketType,
  partOfBatch,
  presentRanges,
  recordCountOf,
  recordsBytesOf,
  recordsWithin,
  topicOf,
} from '@gomq/protocol'
import type { CommittedState } from './committed-state.js'
import { Holds } from './holds.js'
import { OUTSTANDING_RANGES_MAX, READ_BYTES_MAX, SPARSE_READ_BYTES_MAX } from './limits.js'
import type { EngineReadResult, Outbox } from './outbox.js'
import { Passing } from './passing.js'
import type { ReadableBatches } from './readable-batches.js'
import { RetainedSearches } from './retained-searches.js'
import type { Subscription } from './subscription.js'
import { TopicTrie } from './topic-trie.js'

/** Topics whose matches are remembered between changes of the trie, and matches of all of them together. */
const MATCH_CACHE_TOPICS_MAX = 10_000
const MATCH_CACHE_ENTRIES_MAX = 1_000_000

const NOBODY: readonly Subscription[] = []

/**
 * Brings committed batches to subscriptions. A tailing one is found through the trie when a batch commits; one without credit, or
 * whose connection is blocked, falls back to catching up, where it costs a position and nothing more.
 */
export class Delivery {
  /** The time of the input that is being carried out: what has expired by then is not delivered. */
  nowMs: number = 0
  /** Finds what new subscriptions get first. */
  readonly searches: RetainedSearches
  /** Who waits for a subscription. */
  readonly holds: Holds
  readonly #outbox: Outbox
  readonly #state: CommittedState
  readonly #readable: ReadableBatches | undefined
  readonly #passing: Passing
  readonly #trie = new TopicTrie<Subscription>()
  readonly #matches = new Map<string, readonly Subscription[]>()
  #matchEntries = 0
  readonly #reads = new Map<number, Subscription>()
  #nextToken = 1
  #logStartOffset: Offset
  #highWatermark: Offset

  /** @param init.readable  for clients that do not read compressed batches */
  constructor(init: {
    outbox: Outbox
    state: CommittedState
    logStartOffset: Offset
    highWatermark: Offset
    readable: ReadableBatches | undefined
  }) {
    this.#outbox = init.outbox
    this.#state = init.state
    this.searches = new RetainedSearches(init.outbox, init.state.retained)
    this.holds = new Holds(init.outbox)
    this.#readable = init.readable
    this.#passing = new Passing(init.outbox, init.state.policies)
    this.#logStartOffset = init.logStartOffset
    this.#highWatermark = init.highWatermark
  }

  /** Nothing is stored below. */
  get logStartOffset(): Offset {
    return this.#logStartOffset
  }

  /** Everything below has committed and was offered to every subscription. */
  get highWatermark(): Offset {
    return this.#highWatermark
  }

  /** The log begins at `offset` now, or above; it never goes back. */
  handleLogStart(offset: Offset): void {
    if (offset > this.#logStartOffset) this.#logStartOffset = offset
  }

  /**
   * Begins deliveries to a subscription whose SUBACK was sent.
   * @param askedFrom  where it was to begin, if that is below where it does
   */
  attach(subscription: Subscription, askedFrom: Offset = subscription.resumeAt): void {
    if (askedFrom < subscription.resumeAt) this.#passing.skipped(subscription, askedFrom, subscription.resumeAt)
    for (const filter of subscription.filters) this.#trie.add(filter, subscription)
    this.#forgetMatches()
    subscription.state = 'catchingUp'
    this.pump(subscription)
  }

  /** Ends deliveries. */
  detach(subscription: Subscription): void {
    if (subscription.state !== 'waiting') {
      for (const filter of subscription.filters) this.#trie.remove(filter, subscription)
      this.#forgetMatches()
    }
    if (subscription.readToken !== 0) this.#reads.delete(subscription.readToken)
    subscription.readToken = 0
    this.holds.forget(subscription)
    subscription.position = subscription.cursorPosition(this.#highWatermark) as Offset
    subscription.state = 'closed'
  }

  /** A batch has committed: tailing subscriptions get it, the others will read it. */
  handleCommitted(batch: Uint8Array, topic: string): void {
    this.#highWatermark = nextOffsetOf(batch)
    for (const subscription of this.#matching(topic)) {
      if (subscription.state !== 'tailing') continue
      subscription.position = baseOffsetOf(batch)
      const isFull = subscription.unacked.count > OUTSTANDING_RANGES_MAX
      if (isFull || !this.#deliver(subscription, batch)) subscription.state = 'catchingUp'
    }
  }

  /** The high watermark passed a batch that nobody subscribes to, such as a control batch. */
  handleSkipped(nextOffset: Offset): void {
    this.#highWatermark = nextOffset
  }

  /**
   * A message that is in no log goes to those who listen now and have credit; for the others it is lost.
   * @param publisherId  the connection that is held while one of them is short of credit; 0 for none
   */
  fanOut(batch: Uint8Array, topic: string, publisherId: number): void {
    for (const subscription of this.#matching(topic)) {
      if (subscription.state !== 'tailing') continue
      if (!subscription.connection.isBlocked && subscription.hasCredit) {
        const readable = this.#readableFor(subscription, batch)
        const count = recordCountOf(readable)
        subscription.creditMessages -= count
        subscription.creditBytes -= recordsBytesOf(readable, 0, count)
        this.#send(subscription, null, null, readable)
      }
      if (subscription.isShort) this.holds.hold(publisherId, subscription, this.nowMs)
    }
  }

  /** Goes on with a subscription that may have got credit, room or a position. */
  pump(subscription: Subscription): void {
    this.holds.look(subscription, this.nowMs)
    if (subscription.state !== 'catchingUp' || subscription.readToken !== 0 || subscription.isSearching) return
    if (subscription.connection.isBlocked || !subscription.hasCredit) return this.#passing.tell(subscription)
    this.#skipAhead(subscription)
    const { position, retainedTo, resumeAt } = subscription
    if (retainedTo < resumeAt && retainedTo <= position)
      return this.searches.find(subscription, this.nowMs, () => this.pump(subscription))
    if (position >= this.#highWatermark) return this.#becomeTailing(subscription)
    const redelivers = position < resumeAt
    if (!redelivers && subscription.unacked.count > OUTSTANDING_RANGES_MAX) return this.#passing.tell(subscription)
    const token = this.#nextToken++
    subscription.readToken = token
    this.#reads.set(token, subscription)
    this.#outbox.read(token, {
      from: position,
      bytesMax: redelivers ? SPARSE_READ_BYTES_MAX : READ_BYTES_MAX,
      wants: redelivers && subscription.readsAllTopics ? () => true : (topic) => subscription.wants(topic),
    })
  }

  /** The answer to a read. @returns the subscription, and the error if the read failed */
  handleRead(token: number, result: EngineReadResult): { subscription: Subscription; error: unknown } | undefined {
    const subscription = this.#reads.get(token)
    if (subscription === undefined) return undefined
    this.#reads.delete(token)
    subscription.readToken = 0
    if ('error' in result) {
      this.handleLogStart(result.logStartOffset ?? this.#logStartOffset)
      // The log's start has passed what was to be read.
      if (subscription.position >= this.#logStartOffset) return { subscription, error: result.error }
    } else if (!this.#take(subscription, result.batches, result.nextOffset, result.isThinned ?? false)) {
      this.#passing.tell(subscription)
      return undefined
    }
    this.pump(subscription)
    return undefined
  }

  /** @returns whether there may be more to do; false: the subscription has no credit, or its connection takes no more */
  #take(subscription: Subscription, batches: readonly Uint8Array[], nextOffset: Offset, isThinned: boolean): boolean {
    const { retainedTo, resumeAt } = subscription
    // Nothing is passed over where it is not known yet what is wanted.
    const end = retainedTo < resumeAt ? Math.min(nextOffset, retainedTo) : nextOffset
    for (const batch of batches) {
      if (baseOffsetOf(batch) >= end) break
      if (isControl(batch) || nextOffsetOf(batch) <= subscription.position) continue
      const topic = topicOf(batch)
      const isWanted = subscription.wants(topic)
      if (!isWanted && !subscription.readsAllTopics) continue
      if (!this.#passing.gap(subscription, baseOffsetOf(batch), isThinned)) return true
      // What is not wanted now, and not acknowledged, is kept for when it is wanted again.
      if (!isWanted) subscription.position = nextOffsetOf(batch)
      else if (this.#state.isDead(topic, batch)) this.#passing.dead(subscription, batch)
      else if (!this.#deliver(subscription, batch)) return false
    }
    this.#passing.gap(subscription, end as Offset, isThinned)
    return true
  }

  /**
   * Delivers what the subscription is to get of a batch, from its position on, within its credit.
   * @returns whether it got everything and its position is behind the batch
   */
  #deliver(subscription: Subscription, batch: Uint8Array): boolean {
    if (isExpired(batch, this.nowMs) || this.#isReplaced(subscription, batch)) {
      this.#passing.drop(subscription, batch)
      return true
    }
    const base = baseOffsetOf(batch)
    const next = nextOffsetOf(batch)
    const isSparse = hasHoles(batch)
    const end = base + recordCountOf(batch)
    const redelivers = base < subscription.resumeAt
    let from = Math.max(base, subscription.position)
    batch = this.#readableFor(subscription, batch)
    const isCompressed = compressionOf(batch) !== Compression.NONE
    const isWhole = !redelivers && !isSparse && from === base && subscription.earlyAcks.isEmpty
    if (isWhole && this.#fitsWhole(subscription, batch)) {
      this.#account(subscription, batch, 0, end - base)
      subscription.position = next
      this.#send(subscription, null, null, batch)
      return true
    }
    const ranges: number[] = []
    const wanted = isSparse ? this.#withoutHoles(subscription, batch) : subscription.wantedOf(batch)
    let isComplete = true
    for (let i = 0; i < wanted.length && isComplete; i += 2) {
      const rangeFrom = wanted[i]!
      const rangeTo = wanted[i + 1]!
      // Each part of a compressed batch takes the whole of it along: it goes once, and what exceeds the credit is owed.
      const isUnderWay = isCompressed && i > 0
      if (!isUnderWay && (!subscription.hasCredit || subscription.connection.isBlocked)) {
        from = rangeFrom
        isComplete = false
        break
      }
      const fitting = isCompressed
        ? rangeTo - rangeFrom
        : Math.min(
            rangeTo - rangeFrom,
            recordsWithin(batch, rangeFrom - base, subscription.creditMessages, subscription.creditBytes),
          )
      ranges.push(rangeFrom - base, rangeFrom - base + fitting)
      this.#account(subscription, batch, rangeFrom - base, rangeFrom - base + fitting)
      if (rangeFrom + fitting < rangeTo) {
        from = rangeFrom + fitting
        isComplete = false
      }
    }
    subscription.position = (isComplete ? next : from) as Offset
    subscription.passEarlyAcks()
    if (ranges.length > 0 && isCompressed) this.#send(subscription, null, ranges, batch)
    else if (ranges.length > 0) {
      const part = partOfBatch(batch, ranges)
      this.#send(subscription, part.header, part.ranges, part.payload)
    }
    return isComplete
  }

  /** The batch as the subscription's client reads it; as it is while nothing can be sent. */
  #readableFor(subscription: Subscription, batch: Uint8Array): Uint8Array {
    const { connection } = subscription
    if (compressionOf(batch) === Compression.NONE || connection.readsDeflate || this.#readable === undefined)
      return batch
    if (connection.isBlocked || !subscription.hasCredit) return batch
    return this.#readable.of(batch)
  }

  /**
   * What the subscription is to get of a batch in which compaction has left holes. A hole counts for nobody's acknowledgement; the newer
   * value of its key follows.
   */
  #withoutHoles(subscription: Subscription, batch: Uint8Array): number[] {
    const base = baseOffsetOf(batch)
    const wanted = subscription.wantedOf(batch)
    const present: number[] = []
    for (let i = 0; i < wanted.length; i += 2) {
      let from = wanted[i]!
      const to = wanted[i + 1]!
      const ranges = presentRanges(batch, from - base, to - base)
      for (let at = 0; at < ranges.length; at += 2) {
        this.#passing.forget(subscription, from, base + ranges[at]!)
        from = base + ranges[at + 1]!
        present.push(base + ranges[at]!, from)
      }
      this.#passing.forget(subscription, from, to)
    }
    return present
  }

  /**
   * Goes on where there is something to read: at the log's start or above, and below the subscription's own start where something stands in
   * `unacked`, not through all between.
   */
  #skipAhead(subscription: Subscription): void {
    this.#skipDone(subscription)
    if (subscription.position >= this.#logStartOffset) return
    this.#passing.belowStart(subscription, this.#logStartOffset)
    this.#skipDone(subscription)
  }

  #skipDone(subscription: Subscription): void {
    const { position, retainedTo, resumeAt, unacked } = subscription
    const end = Math.min(retainedTo, resumeAt)
    if (position < end) subscription.position = Math.min(unacked.firstFrom(position) ?? end, end) as Offset
  }

  /** Whether the batch is a retained message that a new subscription was to get, and another took its place meanwhile. */
  #isReplaced(subscription: Subscription, batch: Uint8Array): boolean {
    if (subscription.isResumed || baseOffsetOf(batch) >= subscription.resumeAt) return false
    return (
      !!(attributesOf(batch) & Attribute.RETAIN) &&
      this.#state.retained.offsetOf(topicOf(batch)) !== baseOffsetOf(batch)
    )
  }

  #fitsWhole(subscription: Subscription, batch: Uint8Array): boolean {
    const count = recordCountOf(batch)
    return (
      !subscription.connection.isBlocked &&
      subscription.hasCredit &&
      count <= subscription.creditMessages &&
      recordsBytesOf(batch, 0, count) <= subscription.creditBytes
    )
  }

  #account(subscription: Subscription, batch: Uint8Array, from: number, to: number): void {
    subscription.creditMessages -= to - from
    subscription.creditBytes -= recordsBytesOf(batch, from, to)
    const base = baseOffsetOf(batch)
    if (subscription.keepsAcks) subscription.unacked.add(base + from, base + to)
    else if (base < subscription.resumeAt) subscription.unacked.remove(base + from, base + to)
  }

  #send(subscription: Subscription, header: Uint8Array | null, ranges: number[] | null, payload: Uint8Array): void {
    this.#passing.tell(subscription)
    this.#outbox.send(subscription.connection.id, {
      type: PacketType.DELIVER,
      subscriptionId: subscription.id,
      header,
      ranges,
      payload,
    })
  }

  #becomeTailing(subscription: Subscription): void {
    this.#passing.tell(subscription)
    subscription.state = 'tailing'
    this.#outbox.send(subscription.connection.id, {
      type: PacketType.TAIL,
      subscriptionId: subscription.id,
      offset: this.#highWatermark,
    })
  }

  #forgetMatches(): void {
    this.#matches.clear()
    this.#matchEntries = 0
  }

  #matching(topic: string): readonly Subscription[] {
    // The look into the cache is dear where topics are many, and nobody may be there.
    if (this.#trie.isEmpty) return NOBODY
    let matching = this.#matches.get(topic)
    if (matching === undefined) {
      matching = [...this.#trie.match(topic)]
      this.#matchEntries += matching.length
      if (this.#matches.size >= MATCH_CACHE_TOPICS_MAX || this.#matchEntries > MATCH_CACHE_ENTRIES_MAX) {
        this.#forgetMatches()
        this.#matchEntries = matching.length
      }
      this.#matches.set(topic, matching)
    }
    return matching
  }
}
