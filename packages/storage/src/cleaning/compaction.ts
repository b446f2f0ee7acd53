import {
  Attribute,
  appendTimeMsOf,
  attributesOf,
  baseOffsetOf,
  type DecodedRecord,
  decodeRecord,
  GomqError,
  type Offset,
  presentRanges,
  recordBytesOf,
  recordsStartOf,
  topicOf,
} from '@gomq/protocol'
import type { SegmentView } from '../segment.js'
import { LatestKeys } from './latest-keys.js'
import { factsOf, isDeadBatch } from './liveness.js'
import type { RuleBook } from './rules.js'
import { SegmentWalk, type WalkContext } from './segment-walk.js'

/**
 * One pass of compaction over the cleanable log: first the last record of each key is learnt, then the segments are gone through once more,
 * the oldest first, and every record is asked about, in the order of offsets.
 *
 *     |-- compacted by earlier passes --|-- learnt by this pass --|-- for the next pass --|
 *     log start                         from                      to            cleanableTo
 *
 * `to` lies below `cleanableTo` if the keys do not fit into memory. A record below `to` is dead if its key has a later one. Of what lies
 * below `from` the keys are not needed, with one exception: tombstones whose time has come. They go only in a pass that finds nothing older of
 * their key: a reader that has just passed the old value must find them.
 */
export class CompactionPass {
  readonly #book: RuleBook
  readonly #keys: LatestKeys
  readonly #to: Offset
  /** Topics with batches that were not looked into: all their later tombstones stay. */
  readonly #unseen = new Set<string>()
  /** Where the first damaged segment begins: what it hides is not known, and tombstones above stay. */
  #damagedFrom = Number.POSITIVE_INFINITY

  private constructor(book: RuleBook, keys: LatestKeys, to: Offset) {
    this.#book = book
    this.#keys = keys
    this.#to = to
  }

  /**
   * Learns the keys.
   *
   * @param segments     all that may be cleaned, oldest first
   * @param from         up to here earlier passes compacted everything, by the same rules
   * @param keyBytesMax  memory for keys
   */
  static async learn(
    context: WalkContext,
    segments: readonly SegmentView[],
    book: RuleBook,
    from: Offset,
    keyBytesMax: number,
  ): Promise<CompactionPass> {
    const keys = new LatestKeys(keyBytesMax)
    for (const segment of segments) {
      const to = await SegmentWalk.over(context, segment, (walk) => learnSegment(walk, book, from, keys))
      if (to !== undefined) return new CompactionPass(book, keys, to)
    }
    return new CompactionPass(book, keys, segments.at(-1)?.endOffset ?? from)
  }

  /** Records below are compacted once the pass has come to its end. */
  get to(): Offset {
    return this.#to
  }

  /** The segment stays as it is, whatever {@link livingIn} said of its batches. */
  handleDamaged({ baseOffset }: SegmentView): void {
    this.#damagedFrom = Math.min(this.#damagedFrom, baseOffset)
  }

  /**
   * Which records of a batch live, asked once about each batch of the log, in order.
   *
   * @param batch  whole and alive
   * @returns undefined if all that are there do
   */
  livingIn(batch: Uint8Array): ReadonlySet<number> | undefined {
    if (baseOffsetOf(batch) >= this.#to || !isCompacted(batch, this.#book)) return undefined
    if (isCompressed(batch)) {
      this.#unseen.add(topicOf(batch))
      return undefined
    }
    const topic = topicOf(batch)
    const living = new Set<number>()
    let dead = 0
    visitRecords(batch, (index, record) => {
      if (record !== undefined && this.#isDead(topic, record, batch, index)) dead++
      else living.add(index)
    })
    return dead === 0 ? undefined : living
  }

  #isDead(topic: string, record: DecodedRecord, batch: Uint8Array, index: number): boolean {
    const { key } = record
    if (key === null) return false
    const offset = (baseOffsetOf(batch) + index) as Offset
    const latest = this.#keys.latest(topic, key)
    if (latest === undefined || latest < offset) return false
    if (latest > offset) {
      this.#keys.markOlder(topic, key)
      return !this.#book.isPinned(offset)
    }
    return (
      offset < this.#damagedFrom &&
      isRipe(record, batch, this.#book) &&
      !this.#unseen.has(topic) &&
      !this.#keys.hasOlder(topic, key) &&
      !this.#book.isPinned(offset)
    )
  }
}

/** @returns where the keys became too many: the end of the last batch that was learnt */
async function learnSegment(
  walk: SegmentWalk,
  book: RuleBook,
  from: Offset,
  keys: LatestKeys,
): Promise<Offset | undefined> {
  for (let head = await walk.head(); head !== undefined; walk.advance(), head = await walk.head()) {
    const facts = factsOf(head, book)
    if (!isCompacted(head, book) || isCompressed(head) || isDeadBatch(facts, book)) continue
    const isLearnt = facts.baseOffset >= from
    if (!isLearnt && keys.isHalfFull) continue
    const batch = await walk.batch()
    const topic = topicOf(batch)
    visitRecords(batch, (index, record) => {
      if (record === undefined || record.key === null) return
      const offset = (facts.baseOffset + index) as Offset
      // A tombstone that was learnt is no longer the last of its key if something follows it, whatever that is.
      const isKnown = !isLearnt && keys.latest(topic, record.key) !== undefined
      if (isLearnt || isKnown || isRipe(record, batch, book)) keys.add(topic, record.key, offset)
    })
    if (isLearnt && keys.isFull) return facts.endOffset
  }
  return undefined
}

/** Visits the records that are there; undefined for one that cannot be decoded. */
function visitRecords(batch: Uint8Array, visit: (index: number, record: DecodedRecord | undefined) => void): void {
  const ranges = presentRanges(batch)
  let at = recordsStartOf(batch)
  for (let i = 0; i < ranges.length; i += 2) {
    for (let index = ranges[i]!; index < ranges[i + 1]!; index++) {
      const end = at + recordBytesOf(batch, index)
      visit(index, decoded(batch, at, end))
      at = end
    }
  }
}

function decoded(batch: Uint8Array, start: number, end: number): DecodedRecord | undefined {
  try {
    return decodeRecord(batch, start, end)
  } catch (error) {
    if (error instanceof GomqError && error.code === 'BAD_RECORD') return undefined
    throw error
  }
}

/** Whether the record is a tombstone whose time has come. */
function isRipe(record: DecodedRecord, batch: Uint8Array, book: RuleBook): boolean {
  if (record.value.byteLength > 0) return false
  const { tombstoneMs } = book.rules[factsOf(batch, book).rule]!.policy
  return appendTimeMsOf(batch) + tombstoneMs <= book.nowMs
}

function isCompacted(head: Uint8Array, book: RuleBook): boolean {
  return book.isCompacted(factsOf(head, book).rule)
}

function isCompressed(head: Uint8Array): boolean {
  return (attributesOf(head) & Attribute.COMPRESSION_MASK) !== 0
}
