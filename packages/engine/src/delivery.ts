import {
  Attribute,
  attributesOf,
  baseOffsetOf,
  Compression,
  compressionOf,
  isControl,
  isExpired,
  nextOffsetOf,
  type Offset,
  PacketType,
  partOfBatch,
  recordCountOf,
  recordsBytesOf,
  recordsWithin,
  topicOf,
} from '@gomq/protocol'
import { OUTSTANDING_RANGES_MAX, READ_BYTES_MAX, SPARSE_READ_BYTES_MAX } from './limits.js'
import type { EngineReadResult, Outbox } from './outbox.js'
import type { ReadableBatches } from './readable-batches.js'
import type { RetainedMessages } from './retained-messages.js'
import type { Subscription } from './subscription.js'
import { TopicTrie } from './topic-trie.js'

/** Topics whose matches are remembered between changes of the trie, and matches of all of them together. */
const MATCH_CACHE_TOPICS_MAX = 10_000
const MATCH_CACHE_ENTRIES_MAX = 1_000_000

/**
 * Brings committed batches to subscriptions. A tailing one is found through the trie when a batch commits; one without credit, or
 * whose connection is blocked, falls back to catching up, where it costs a position and nothing more.
 */
export class Delivery {
  /** The time of the input that is being carried out: what has expired by then is not delivered. */
  nowMs: number = 0
  readonly #outbox: Outbox
  readonly #retained: RetainedMessages
  readonly #readable: ReadableBatches | undefined
  readonly #trie = new TopicTrie<Subscription>()
  readonly #matches = new Map<string, readonly Subscription[]>()
  #matchEntries = 0
  readonly #reads = new Map<number, Subscription>()
  #nextToken = 1
  #highWatermark: Offset

  /** @param readable  for clients that do not read compressed batches */
  constructor(outbox: Outbox, retained: RetainedMessages, highWatermark: Offset, readable?: ReadableBatches) {
    this.#outbox = outbox
    this.#retained = retained
    this.#readable = readable
    this.#highWatermark = highWatermark
  }

  /** Everything below has committed and was offered to every subscription. */
  get highWatermark(): Offset {
    return this.#highWatermark
  }

  /** Begins deliveries to a subscription whose SUBACK was sent. */
  attach(subscription: Subscription): void {
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

  /** A message that is in no log goes to those who listen now and have credit; for the others it is lost. */
  fanOut(batch: Uint8Array, topic: string): void {
    for (const subscription of this.#matching(topic)) {
      if (subscription.state !== 'tailing' || subscription.connection.isBlocked || !subscription.hasCredit) continue
      const readable = this.#readableFor(subscription, batch)
      const count = recordCountOf(readable)
      subscription.creditMessages -= count
      subscription.creditBytes -= recordsBytesOf(readable, 0, count)
      this.#send(subscription, null, null, readable)
    }
  }

  /** Goes on with a subscription that may have got credit, room or a position. */
  pump(subscription: Subscription): void {
    if (subscription.state !== 'catchingUp' || subscription.readToken !== 0) return
    if (subscription.connection.isBlocked || !subscription.hasCredit) return
    if (subscription.position < subscription.resumeAt) this.#skipAhead(subscription)
    if (subscription.position >= this.#highWatermark) {
      this.#becomeTailing(subscription)
      return
    }
    if (subscription.position >= subscription.resumeAt && subscription.unacked.count > OUTSTANDING_RANGES_MAX) return
    const token = this.#nextToken++
    subscription.readToken = token
    this.#reads.set(token, subscription)
    this.#outbox.read(token, {
      from: subscription.position,
      bytesMax: subscription.position < subscription.resumeAt ? SPARSE_READ_BYTES_MAX : READ_BYTES_MAX,
      wants: (topic) => subscription.wants(topic),
    })
  }

  /** The answer to a read. @returns the subscription, and the error if the read failed */
  handleRead(token: number, result: EngineReadResult): { subscription: Subscription; error: unknown } | undefined {
    const subscription = this.#reads.get(token)
    if (subscription === undefined) return undefined
    this.#reads.delete(token)
    subscription.readToken = 0
    if ('error' in result) return { subscription, error: result.error }
    for (const batch of result.batches) {
      if (isControl(batch) || nextOffsetOf(batch) <= subscription.position || !subscription.wants(topicOf(batch)))
        continue
      if (baseOffsetOf(batch) > subscription.position) subscription.position = baseOffsetOf(batch)
      if (!this.#deliver(subscription, batch)) return undefined
    }
    if (result.nextOffset > subscription.position) subscription.position = result.nextOffset
    this.#passEarlyAcks(subscription)
    this.pump(subscription)
    return undefined
  }

  /**
   * Delivers what the subscription is to get of a batch, from its position on, within its credit.
   * @returns whether it got everything and its position is behind the batch
   */
  #deliver(subscription: Subscription, batch: Uint8Array): boolean {
    const base = baseOffsetOf(batch)
    const next = nextOffsetOf(batch)
    if (isExpired(batch, this.nowMs) || this.#isReplaced(subscription, batch)) {
      this.#drop(subscription, base, next)
      return true
    }
    const end = base + recordCountOf(batch)
    const redelivers = base < subscription.resumeAt
    let from = Math.max(base, subscription.position)
    batch = this.#readableFor(subscription, batch)
    const isCompressed = compressionOf(batch) !== Compression.NONE
    if (!redelivers && from === base && subscription.earlyAcks.isEmpty && this.#fitsWhole(subscription, batch)) {
      this.#account(subscription, batch, 0, end - base)
      subscription.position = next
      this.#send(subscription, null, null, batch)
      return true
    }
    const ranges: number[] = []
    const wanted = wantedRanges(subscription, from, end)
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
    this.#passEarlyAcks(subscription)
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

  /** Below its start a subscription is given only what stands in `unacked`: reading goes on where that is, not through all between. */
  #skipAhead(subscription: Subscription): void {
    const next = subscription.unacked.firstFrom(subscription.position) ?? subscription.resumeAt
    subscription.position = Math.max(subscription.position, Math.min(next, subscription.resumeAt)) as Offset
  }

  /** Whether the batch is a retained message that a new subscription was to get, and another took its place meanwhile. */
  #isReplaced(subscription: Subscription, batch: Uint8Array): boolean {
    if (subscription.isResumed || baseOffsetOf(batch) >= subscription.resumeAt) return false
    return !!(attributesOf(batch) & Attribute.RETAIN) && this.#retained.offsetOf(topicOf(batch)) !== baseOffsetOf(batch)
  }

  /** What was acknowledged before its turn, and is behind the position now, is kept by the cursor. */
  #passEarlyAcks(subscription: Subscription): void {
    if (subscription.earlyAcks.isEmpty) return
    if (subscription.earlyAcks.remove(0, subscription.position) > 0) subscription.isCursorDirty = true
  }

  /** Passes over what is not delivered any more; there will be no acknowledgement for it. */
  #drop(subscription: Subscription, base: Offset, next: Offset): void {
    if (subscription.unacked.remove(base, next) > 0 && subscription.keepsAcks) subscription.isCursorDirty = true
    subscription.position = next
    this.#passEarlyAcks(subscription)
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
    this.#outbox.send(subscription.connection.id, {
      type: PacketType.DELIVER,
      subscriptionId: subscription.id,
      header,
      ranges,
      payload,
    })
  }

  #becomeTailing(subscription: Subscription): void {
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

/** Of [from, end): below `resumeAt` only what is unacknowledged, from there on everything that was not acknowledged early. */
function wantedRanges(subscription: Subscription, from: number, end: number): number[] {
  const { resumeAt, unacked, earlyAcks } = subscription
  const wanted = from < resumeAt ? unacked.within(from, Math.min(end, resumeAt)) : []
  const rest = Math.max(from, resumeAt)
  if (rest < end) {
    if (earlyAcks.isEmpty) wanted.push(rest, end)
    else wanted.push(...earlyAcks.gaps(rest, end))
  }
  return wanted
}
