import { invariant, type Offset, tableStartOf } from '@gomq/protocol'
import type { CleanedSegment } from '../cleaned-segment-writer.js'
import { COMPACTION_KEY_BYTES_LIMIT } from '../limits.js'
import { indexName, type SegmentView, segmentFromName } from '../segment.js'
import { CompactionPass } from './compaction.js'
import { DamagedSegments, type SegmentDamage } from './damaged-segments.js'
import { type PolicySurvey, type SurveyedPart, surveyFloors } from './floors.js'
import { type CleaningPlan, planCleaning, type WeighedSegment } from './planning.js'
import { compactSegment, rewriteSegments } from './rewriting.js'
import { type CleaningRules, RuleBook, type SurveyRules } from './rules.js'
import { SegmentDigest } from './segment-digest.js'
import { SegmentLedger } from './segment-ledger.js'
import type { WalkContext } from './segment-walk.js'

/** The part of the log that is not sealed, or not committed to its end: what the log itself must tell. */
export interface OpenPart {
  readonly baseOffset: Offset
  /** Whether the heads begin at `baseOffset`; otherwise they follow those given before. */
  readonly isAnew: boolean
  /** Header and topic of each batch, in order, one behind the other: a few thousand arrays would take long to another thread. */
  readonly heads: Uint8Array
}

/** What a survey finds. */
export interface SurveyResult {
  /** Floors that age, bytes and count ask for, of the policies whose floor is to rise. */
  readonly floors: readonly { readonly filter: string; readonly before: Offset }[]
  /** Every policy, in the order of the rules. */
  readonly policies: readonly PolicySurvey[]
  /** Damaged segments known so far: their batches are not counted, so that floors are lower than with them. */
  readonly damages: readonly SegmentDamage[]
}

/**
 * The work of a cleaner that reads and writes segment files and needs nothing of the live log: in this thread or in another. Arguments and
 * results are plain values. One call at a time; {@link begin} before all others of a turn.
 */
export interface CleaningWork {
  /**
   * A turn begins.
   *
   * @param request.segments  all that are sealed and committed, oldest first
   * @param request.rules     with what is pinned if anything is to be removed
   */
  begin(request: {
    readonly segments: readonly SegmentView[]
    readonly rules: SurveyRules | CleaningRules
  }): Promise<void>
  /** Takes in what is new of the open part, perhaps in pieces. */
  addOpen(open: OpenPart): Promise<void>
  survey(): Promise<SurveyResult>
  /** @param request.segments  those that may be cleaned, from the log's start */
  plan(request: {
    readonly segments: readonly SegmentView[]
    readonly budgetBytes: number
    readonly segmentBytes: number
  }): Promise<CleaningPlan>
  /** Neighbours become one cleaned segment. Undefined: one of them is damaged, and nothing was written. */
  rewrite(request: { readonly segments: readonly SegmentView[] }): Promise<CleanedSegment | undefined>
  /** Begins a pass of compaction if one is due; whether it did. Each of the segments is then given to {@link compact}, in order. */
  beginCompaction(request: { readonly segments: readonly SegmentView[] }): Promise<boolean>
  /** Undefined: nothing was to be removed, or the segment is damaged, and nothing was written. */
  compact(request: { readonly segment: SegmentView }): Promise<CleanedSegment | undefined>
  /** The pass is over. @param request.isWhole  whether every segment was compacted */
  endCompaction(request: { readonly isWhole: boolean }): Promise<void>
  /** The damaged segments that are known: found by any call so far, and still there when the turn began. */
  damages(): Promise<readonly SegmentDamage[]>
  /** Removes a cleaned segment that the log did not take: the next start would. */
  discard(cleaned: CleanedSegment): Promise<void>
}

/** {@link CleaningWork} in this thread. */
export class LocalCleaningWork implements CleaningWork {
  readonly #context: WalkContext
  readonly #keyBytesMax: number
  readonly #ledger: SegmentLedger
  readonly #damaged = new DamagedSegments()
  #book: RuleBook = new RuleBook({ rules: [], cleanableTo: 0 as Offset, nowMs: 0 })
  #segments: readonly SegmentView[] = []
  #open: SegmentDigest = new SegmentDigest()
  #openOffset = 0 as Offset
  #pass: CompactionPass | undefined
  /** Everything below is compacted, by the filters in {@link #compactedFilters}. */
  #compactedTo = 0 as Offset
  #compactedFilters = ''
  #hasLooked = false

  /** @param keyBytesMax  memory for keys in a pass of compaction, 1 to 1 GiB */
  constructor(context: WalkContext, keyBytesMax: number) {
    invariant(
      keyBytesMax >= 1 && keyBytesMax <= COMPACTION_KEY_BYTES_LIMIT,
      `keyBytesMax ${keyBytesMax} is outside 1 to ${COMPACTION_KEY_BYTES_LIMIT}`,
    )
    this.#context = context
    this.#keyBytesMax = keyBytesMax
    this.#ledger = new SegmentLedger(context)
  }

  async begin({ segments, rules }: Parameters<CleaningWork['begin']>[0]): Promise<void> {
    this.#book = new RuleBook(rules)
    this.#segments = segments
    this.#ledger.begin(segments, this.#book)
    this.#damaged.keep(segments)
    const filters = JSON.stringify(rules.rules.map(({ policy }) => [policy.filter, policy.isCompacted]))
    if (filters !== this.#compactedFilters) this.#compactedTo = 0 as Offset
    this.#compactedFilters = filters
    await this.#removeStrays()
  }

  async addOpen({ baseOffset, isAnew, heads }: OpenPart): Promise<void> {
    if (isAnew) this.#open = new SegmentDigest()
    this.#openOffset = baseOffset
    for (let at = 0; at < heads.byteLength; ) {
      const head = heads.subarray(at, at + tableStartOf(heads.subarray(at)))
      this.#open.add(head, this.#book)
      at += head.byteLength
    }
  }

  survey(): Promise<SurveyResult> {
    return this.#damaged.despite(() => this.#survey())
  }

  async #survey(): Promise<SurveyResult> {
    const book = this.#book
    const ledger = this.#ledger
    const parts: SurveyedPart[] = [
      { baseOffset: this.#openOffset, totals: this.#open.totals, digest: async () => this.#open },
    ]
    for (const segment of this.#sound(this.#segments).reverse())
      parts.push({
        baseOffset: segment.baseOffset,
        totals: await ledger.totals(segment, book),
        digest: () => ledger.digest(segment, book),
      })
    const policies = await surveyFloors(book, parts)
    const floors = policies
      .filter(({ before, wanted }) => wanted > before)
      .map(({ filter, wanted }) => ({ filter, before: wanted }))
    return { floors, policies, damages: this.#damaged.damages }
  }

  async plan({ segments, budgetBytes, segmentBytes }: Parameters<CleaningWork['plan']>[0]): Promise<CleaningPlan> {
    const weighed: WeighedSegment[] = []
    for (const segment of segments) weighed.push(await this.#weigh(segment))
    return planCleaning(weighed, budgetBytes, segmentBytes)
  }

  rewrite({ segments }: Parameters<CleaningWork['rewrite']>[0]): Promise<CleanedSegment | undefined> {
    return this.#damaged.until(() => rewriteSegments(this.#context, segments, this.#book))
  }

  async beginCompaction({ segments }: Parameters<CleaningWork['beginCompaction']>[0]): Promise<boolean> {
    const book = this.#book
    if (!(await this.#damaged.despite(() => this.#isCompactionDue(segments)))) return false
    this.#pass = await this.#damaged.despite(() =>
      CompactionPass.learn(this.#context, this.#sound(segments), book, this.#compactedTo, this.#keyBytesMax),
    )
    for (const segment of segments) if (this.#damaged.has(segment)) this.#pass.handleDamaged(segment)
    return true
  }

  async compact({ segment }: Parameters<CleaningWork['compact']>[0]): Promise<CleanedSegment | undefined> {
    const pass = this.#pass
    invariant(pass !== undefined, 'a segment is compacted outside a pass')
    if (this.#damaged.has(segment)) return undefined
    const cleaned = await this.#damaged.until(() => compactSegment(this.#context, segment, this.#book, pass))
    // What was to go of it stays.
    if (this.#damaged.has(segment)) pass.handleDamaged(segment)
    return cleaned
  }

  async endCompaction({ isWhole }: Parameters<CleaningWork['endCompaction']>[0]): Promise<void> {
    if (isWhole && this.#pass !== undefined) this.#compactedTo = this.#pass.to
    this.#pass = undefined
  }

  async damages(): Promise<readonly SegmentDamage[]> {
    return this.#damaged.damages
  }

  discard(cleaned: CleanedSegment): Promise<void> {
    return this.#remove(cleaned)
  }

  #sound(segments: readonly SegmentView[]): SegmentView[] {
    return segments.filter((segment) => !this.#damaged.has(segment))
  }

  /** A damaged segment goes once its headers, all of them intact, say that nothing in it lives; until then nobody touches it. */
  async #weigh(segment: SegmentView): Promise<WeighedSegment> {
    const weighed = await this.#damaged.until(() => this.#ledger.weigh(segment, this.#book))
    if (weighed !== undefined && (weighed.liveBytes === 0 || !this.#damaged.has(segment))) return weighed
    return { segment, batchBytes: segment.bytes, liveBytes: segment.bytes, isFresh: false, isDamaged: true }
  }

  /**
   * Removes cleaned segments that the log does not know: a thread that was lost before it could hand them over has left them, and the next
   * start would take them beside what was cleaned since. Once, before anything is written.
   *
   * Such a one stands for segments that were sealed and committed. What begins behind those was received from another broker: it is in the log, or
   * about to be.
   */
  async #removeStrays(): Promise<void> {
    const last = this.#segments.at(-1)
    if (this.#hasLooked || last === undefined) return
    const folder = last.path.slice(0, last.path.lastIndexOf('/'))
    const known = new Set(this.#segments.map(({ path }) => path))
    for (const name of await this.#context.fs.list(folder)) {
      const found = segmentFromName(name)
      const path = `${folder}/${name}`
      if (found === undefined || found.generation === 0 || known.has(path)) continue
      if (found.baseOffset < last.endOffset) await this.#remove({ path, ...found })
    }
    this.#hasLooked = true
  }

  async #remove({ path, baseOffset, generation }: Omit<CleanedSegment, 'endOffset' | 'summary'>): Promise<void> {
    const { fs } = this.#context
    const folder = path.slice(0, path.lastIndexOf('/'))
    await fs.remove(`${folder}/${indexName(baseOffset, generation)}`)
    await fs.remove(path)
    await fs.syncDirectory(folder)
  }

  /** A pass reads and writes all that is compacted already, so one is worth it when as much has come as there is. */
  async #isCompactionDue(segments: readonly SegmentView[]): Promise<boolean> {
    const book = this.#book
    if (!book.rules.some(({ policy }) => policy.isCompacted)) return false
    let clean = 0
    let dirty = 0
    for (const segment of this.#sound(segments)) {
      for (const [rule, { bytes }] of await this.#ledger.totals(segment, book)) {
        if (!book.isCompacted(rule)) continue
        if (segment.endOffset <= this.#compactedTo) clean += bytes
        else dirty += bytes
      }
    }
    return dirty > 0 && dirty >= clean
  }
}
