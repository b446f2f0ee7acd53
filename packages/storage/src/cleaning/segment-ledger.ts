import { DIGEST_CACHE_BYTES, EXPIRY_MARGIN_MS, RESURVEYED_BYTES_MAX } from '../limits.js'
import type { SegmentView } from '../segment.js'
import type { WeighedSegment } from './planning.js'
import { NO_RULE, type RuleBook } from './rules.js'
import { type RuleTotals, SegmentDigest } from './segment-digest.js'
import { SegmentWalk, type WalkContext } from './segment-walk.js'

/** What is known of a sealed segment. */
interface Entry {
  readonly totals: ReadonlyMap<number, RuleTotals>
  readonly batchBytes: number
  /** Dropped when memory is short, and made again from the segment. */
  digest: SegmentDigest | undefined
  /** What lives in it, by the rules that {@link basis} describes. */
  weighed: { readonly basis: string; readonly liveBytes: number; readonly expiresAtMs: number } | undefined
}

/**
 * Remembers what was read of sealed segments, so that a turn reads what is new: each segment once, and again when what lives in it has changed
 * and its columns are no longer in memory. Other filters make it begin anew.
 */
export class SegmentLedger {
  readonly #context: WalkContext
  readonly #entries = new Map<string, Entry>()
  /** Those with columns, the least recently used first. */
  readonly #loaded = new Set<Entry>()
  #filters = ''
  #resurveyedBytes = 0

  constructor(context: WalkContext) {
    this.#context = context
  }

  /** A turn begins: forgets segments that are gone, and everything if the filters are others. */
  begin(segments: readonly SegmentView[], book: RuleBook): void {
    this.#resurveyedBytes = 0
    const paths = new Set(segments.map(({ path }) => path))
    for (const [path, entry] of this.#entries) {
      if (book.filters === this.#filters && paths.has(path)) continue
      this.#entries.delete(path)
      this.#loaded.delete(entry)
    }
    this.#filters = book.filters
  }

  /** What the batches of each rule in the segment come to. */
  async totals(segment: SegmentView, book: RuleBook): Promise<ReadonlyMap<number, RuleTotals>> {
    return (await this.#entry(segment, book)).totals
  }

  /** The segment's batches. */
  async digest(segment: SegmentView, book: RuleBook): Promise<SegmentDigest> {
    const entry = await this.#entry(segment, book)
    const digest = entry.digest ?? (await this.#walk(segment, book))
    this.#keep(entry, digest)
    return digest
  }

  /** What lives in the segment. If that has changed and too much was read in this turn already, what it was before. */
  async weigh(segment: SegmentView, book: RuleBook): Promise<WeighedSegment> {
    const entry = await this.#entry(segment, book)
    const { batchBytes, weighed } = entry
    const basis = basisOf(segment, entry.totals, book)
    if (weighed?.basis === basis && weighed.expiresAtMs + EXPIRY_MARGIN_MS > book.nowMs)
      return { segment, batchBytes, liveBytes: weighed.liveBytes, isFresh: true }
    if (weighed !== undefined && entry.digest === undefined) {
      if (this.#resurveyedBytes >= RESURVEYED_BYTES_MAX)
        return { segment, batchBytes, liveBytes: weighed.liveBytes, isFresh: false }
      this.#resurveyedBytes += segment.bytes
    }
    const { bytes, expiresAtMs } = (await this.digest(segment, book)).live(book)
    entry.weighed = { basis, liveBytes: bytes, expiresAtMs }
    return { segment, batchBytes, liveBytes: bytes, isFresh: true }
  }

  async #entry(segment: SegmentView, book: RuleBook): Promise<Entry> {
    let entry = this.#entries.get(segment.path)
    if (entry === undefined) {
      const digest = await this.#walk(segment, book)
      let batchBytes = 0
      for (const { bytes } of digest.totals.values()) batchBytes += bytes
      entry = { totals: digest.totals, batchBytes, digest: undefined, weighed: undefined }
      this.#entries.set(segment.path, entry)
      this.#keep(entry, digest)
    }
    return entry
  }

  #walk(segment: SegmentView, book: RuleBook): Promise<SegmentDigest> {
    return SegmentWalk.over(this.#context, segment, (walk) => SegmentDigest.of(walk, book))
  }

  /** Keeps the columns and lets the least recently used go; those last used always stay. */
  #keep(entry: Entry, digest: SegmentDigest): void {
    entry.digest = digest
    this.#loaded.delete(entry)
    this.#loaded.add(entry)
    let bytes = 0
    for (const { digest: loaded } of this.#loaded) bytes += loaded!.memoryBytes
    for (const oldest of this.#loaded) {
      if (bytes <= DIGEST_CACHE_BYTES || oldest === entry) return
      bytes -= oldest.digest!.memoryBytes
      oldest.digest = undefined
      this.#loaded.delete(oldest)
    }
  }
}

/** All in the rules that decides what lives in the segment, apart from time. */
function basisOf(
  { baseOffset, endOffset }: SegmentView,
  totals: ReadonlyMap<number, RuleTotals>,
  book: RuleBook,
): string {
  const clamped = (offset: number) => Math.min(Math.max(offset, baseOffset), endOffset)
  const { count, sum } = book.pinnedWithin(baseOffset, endOffset)
  const floors = [...totals.keys()]
    .filter((rule) => rule !== NO_RULE)
    .map((rule) => `${rule}:${clamped(book.beforeOf(rule))}`)
  return [clamped(book.cleanableTo), count, sum, ...floors].join(' ')
}
