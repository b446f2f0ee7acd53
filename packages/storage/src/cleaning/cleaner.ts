import { type Crc32, concatBytes, isControl, type Offset, tableStartOf } from '@gomq/protocol'
import type { CleanedSegment } from '../cleaned-segment-writer.js'
import type { FileSystem } from '../file-system.js'
import { COMPACTION_KEY_BYTES_DEFAULT, SEGMENT_BYTES_DEFAULT, WALK_CHUNK_BYTES } from '../limits.js'
import type { Log } from '../log.js'
import type { SegmentView } from '../segment.js'
import { type CleaningWork, LocalCleaningWork, type SurveyResult } from './cleaning-work.js'
import type { SegmentDamage } from './damaged-segments.js'
import type { CleaningRules, SurveyRules } from './rules.js'

/** What a cleaner needs of a log. */
export type CleanableLog = Pick<
  Log,
  | 'sealedSegments'
  | 'logStartOffset'
  | 'highWatermark'
  | 'read'
  | 'replaceSegments'
  | 'advanceStart'
  | 'requireSnapshotFrom'
>

/** What a turn did. */
export interface CleaningResult {
  /** Bytes of the files that are gone, less those that were written in their place. */
  readonly removedBytes: number
  /** Bytes of the files that were written: take them off the budget of the next turns. */
  readonly rewrittenBytes: number
  readonly segmentsDropped: number
  /** Segments that others were written for. */
  readonly segmentsRewritten: number
  /** The log's start after the turn. */
  readonly logStartOffset: Offset
  /** Segments that are damaged, and left as they are. */
  readonly damages: readonly SegmentDamage[]
}

/**
 * Removes from a log what nobody needs any more. One call at a time; each may take minutes, and appends and reads go on meanwhile.
 *
 *     survey -> the floors that policies ask for -> (the caller logs them, they commit) -> clean by the committed rules
 */
export interface Cleaner {
  /**
   * Finds the floors that age, bytes and count ask for, and what is governed by each policy. Changes nothing: with rules that are only considered it is a dry run.
   *
   * Sealed segments that are damaged are named in the result and left out.
   *
   * @throws GomqError CORRUPT_LOG  a batch that is not sealed yet is damaged; the message names file, byte and offset
   * @throws Error                  of the operating system
   */
  survey(log: CleanableLog, rules: SurveyRules): Promise<SurveyResult>
  /**
   * Removes what is dead by the rules from segments that end at or below `cleanableTo`: drops leading segments, rewrites those of which little
   * lives, compacts. Offsets stay. Damaged segments stay as they are, and so do tombstones behind them. A crash or an error at any moment leaves a log that holds all that lives; another turn does the rest.
   *
   * @param budgetBytes  bytes that may be written. Segments of which hardly anything lives are written all the same, and a pass of compaction
   *                     that began goes to its end, so that `rewrittenBytes` may be more: the caller counts it, and waits below 0
   * @throws as {@link survey}, and as `Log.replaceSegments`
   */
  clean(log: CleanableLog, rules: CleaningRules, budgetBytes: number): Promise<CleaningResult>
}

/** What a cleaner in this thread is made with. */
export interface CleanerOptions {
  readonly fs: FileSystem
  readonly crc32: Crc32
  /** Bytes of a segment, as the log has it; 128 MiB by default. Merged ones stay below. */
  readonly segmentBytes?: number
  /** Memory for keys in a pass of compaction, in bytes, 1 to 1 GiB; 64 MiB by default. With less there are more passes. */
  readonly keyBytesMax?: number
  /** Called after each read of a segment; settles when the cleaner may go on. It lets others run: by default just those who wait already. */
  readonly pause?: () => Promise<void>
}

/** A cleaner in this thread: for simulation, tests, and small logs. */
export function createCleaner(options: CleanerOptions): Cleaner {
  const { fs, crc32, pause = () => Promise.resolve() } = options
  const work = new LocalCleaningWork({ fs, crc32, pause }, options.keyBytesMax ?? COMPACTION_KEY_BYTES_DEFAULT)
  return new LogCleaner(work, options.segmentBytes ?? SEGMENT_BYTES_DEFAULT)
}

/** The half of a cleaner that talks to the log; the other half reads and writes files, perhaps elsewhere. */
export class LogCleaner implements Cleaner {
  readonly #work: CleaningWork
  readonly #segmentBytes: number
  /** What the work knows of the open part: up to where, by which filters; undefined: nothing that counts. */
  #open: { readonly baseOffset: Offset; readonly nextOffset: Offset; readonly filters: string } | undefined

  /** @param segmentBytes  bytes that merged segments stay below */
  constructor(work: CleaningWork, segmentBytes: number) {
    this.#work = work
    this.#segmentBytes = segmentBytes
  }

  async survey(log: CleanableLog, rules: SurveyRules): Promise<SurveyResult> {
    const segments = committedSegments(log)
    await this.#work.begin({ segments, rules })
    const baseOffset = segments.at(-1)?.endOffset ?? log.logStartOffset
    const filters = JSON.stringify(rules.rules.map(({ policy }) => policy.filter))
    const known = this.#open
    // A survey that fails leaves it open what the work has taken in.
    this.#open = undefined
    const isKnown = known?.baseOffset === baseOffset && known.filters === filters
    const to = log.highWatermark
    if (!isKnown) await this.#work.addOpen({ baseOffset, isAnew: true, heads: new Uint8Array(0) })
    // Without policies nothing asks for floors.
    if (rules.rules.length > 0) await this.#addOpen(log, baseOffset, isKnown ? known.nextOffset : baseOffset, to)
    const result = await this.#work.survey()
    this.#open = { baseOffset, nextOffset: to, filters }
    return result
  }

  async clean(log: CleanableLog, rules: CleaningRules, budgetBytes: number): Promise<CleaningResult> {
    const turn = new Turn(log, this.#work, rules)
    await this.#work.begin({ segments: committedSegments(log), rules })
    const plan = await this.#work.plan({ segments: turn.segments, budgetBytes, segmentBytes: this.#segmentBytes })
    if (plan.dropTo !== undefined) await turn.drop(plan.dropTo, plan.dropped)
    for (const segments of plan.groups) {
      await turn.prepare()
      const cleaned = await this.#work.rewrite({ segments })
      if (cleaned !== undefined) await turn.replace(segments, cleaned)
    }
    if (turn.rewrittenBytes < budgetBytes) await this.#compact(turn)
    return { ...turn.result, damages: await this.#work.damages() }
  }

  /** Hands on header and topic of each batch from `from` to before `to`. */
  async #addOpen(log: CleanableLog, baseOffset: Offset, from: Offset, to: Offset): Promise<void> {
    for (let at = from; at < to; ) {
      const { batches, nextOffset } = await log.read({ from: at, to, bytesMax: WALK_CHUNK_BYTES })
      const heads = concatBytes(
        batches.filter((batch) => !isControl(batch)).map((batch) => batch.subarray(0, tableStartOf(batch))),
      )
      if (heads.byteLength > 0) await this.#work.addOpen({ baseOffset, isAnew: false, heads })
      at = nextOffset
    }
  }

  async #compact(turn: Turn): Promise<void> {
    const { segments } = turn
    let isWhole = false
    try {
      if (!(await this.#work.beginCompaction({ segments }))) return
      await turn.prepare()
      for (const segment of segments) {
        const cleaned = await this.#work.compact({ segment })
        if (cleaned !== undefined) await turn.replace([segment], cleaned)
      }
      isWhole = true
    } finally {
      await this.#work.endCompaction({ isWhole })
    }
  }
}

/** What one turn does to the log, and the sum of it. */
class Turn {
  readonly #log: CleanableLog
  readonly #work: CleaningWork
  readonly #cleanableTo: Offset
  #isPrepared = false
  #removedBytes = 0
  #segmentsDropped = 0
  #segmentsRewritten = 0
  rewrittenBytes = 0

  constructor(log: CleanableLog, work: CleaningWork, rules: CleaningRules) {
    this.#log = log
    this.#work = work
    this.#cleanableTo = Math.min(rules.cleanableTo, log.highWatermark) as Offset
  }

  /** Those that may be cleaned, as they are now. */
  get segments(): readonly SegmentView[] {
    return this.#log.sealedSegments.filter(({ endOffset }) => endOffset <= this.#cleanableTo)
  }

  get result(): Omit<CleaningResult, 'damages'> {
    return {
      removedBytes: this.#removedBytes,
      rewrittenBytes: this.rewrittenBytes,
      segmentsDropped: this.#segmentsDropped,
      segmentsRewritten: this.#segmentsRewritten,
      logStartOffset: this.#log.logStartOffset,
    }
  }

  /** Before the first control record goes, the disk must say from where on a snapshot is needed. */
  async prepare(): Promise<void> {
    if (this.#isPrepared) return
    await this.#log.requireSnapshotFrom(this.#cleanableTo)
    this.#isPrepared = true
  }

  async drop(to: Offset, segments: readonly SegmentView[]): Promise<void> {
    await this.prepare()
    await this.#log.advanceStart(to)
    this.#segmentsDropped += segments.length
    this.#removedBytes += bytesOf(segments)
  }

  async replace(segments: readonly SegmentView[], cleaned: CleanedSegment): Promise<void> {
    try {
      await this.#log.replaceSegments(cleaned)
    } catch (error) {
      const isTaken = this.#log.sealedSegments.some(({ path }) => path === cleaned.path)
      if (!isTaken) await this.#work.discard(cleaned).catch(() => undefined)
      throw error
    }
    this.#segmentsRewritten += segments.length
    this.#removedBytes += bytesOf(segments) - cleaned.summary.bytes
    this.rewrittenBytes += cleaned.summary.bytes
  }
}

function committedSegments(log: CleanableLog): SegmentView[] {
  return log.sealedSegments.filter(({ endOffset }) => endOffset <= log.highWatermark)
}

function bytesOf(segments: readonly SegmentView[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0)
}
