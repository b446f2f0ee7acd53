import { GomqError, type Offset } from '@gomq/protocol'
import type { EpochStart } from './format/epoch-start.js'
import type { SegmentIndex, SegmentSummary } from './format/segment-index.js'

/**
 * Name of the segment file that begins at `baseOffset`: 20 digits, so that names sort as offsets do, and the generation of a cleaned one.
 * @param generation  0 for a segment as it was appended; each cleaning that replaces it adds one
 */
export function segmentName(baseOffset: Offset, generation: number = 0): string {
  return `${stem(baseOffset, generation)}.log`
}

/** Name of its index file. */
export function indexName(baseOffset: Offset, generation: number = 0): string {
  return `${stem(baseOffset, generation)}.index`
}

function stem(baseOffset: Offset, generation: number): string {
  const base = String(baseOffset).padStart(20, '0')
  return generation === 0 ? base : `${base}.${generation}`
}

/** Base offset and generation in the file name of a segment; undefined for other files. */
export function segmentFromName(name: string): { baseOffset: Offset; generation: number } | undefined {
  const match = /^(\d{20})(?:\.([1-9]\d{0,8}))?\.log$/.exec(name)
  return match === null ? undefined : { baseOffset: Number(match[1]) as Offset, generation: Number(match[2] ?? 0) }
}

/** Base offset in the file name of a segment as it was appended; undefined for other files, cleaned segments too. */
export function baseOffsetFromName(name: string): Offset | undefined {
  const found = segmentFromName(name)
  return found?.generation === 0 ? found.baseOffset : undefined
}

/** A sealed segment as the cleaner sees it: plain values, which may go to a worker. */
export interface SegmentView {
  readonly path: string
  /** 0 as it was appended; higher: cleaned. */
  readonly generation: number
  readonly baseOffset: Offset
  /** Offset after what the segment covers: the next one's base. */
  readonly endOffset: Offset
  /** Bytes of the file. */
  readonly bytes: number
  /** Append time of the first batch that is there, ms since 1970; 0 without batches. */
  readonly firstTimeMs: number
  /** Append time of the last batch that is there, ms since 1970; 0 without batches. */
  readonly lastTimeMs: number
  /** The epochs of what the segment covers. */
  readonly epochStarts: readonly EpochStart[]
}

/** One file of the log: whole batches, one behind the other. It has either its index or, if that is not loaded, the summary of it. */
export class Segment {
  readonly baseOffset: Offset
  readonly path: string
  /** 0 as it was appended; higher: cleaned, so that offsets have gaps and nothing is ever appended. */
  readonly generation: number
  #index: SegmentIndex | undefined
  #summary: SegmentSummary | undefined

  /** @param known  its index, or for a sealed segment the summary of it */
  constructor(
    path: string,
    known: { readonly index: SegmentIndex } | { readonly summary: SegmentSummary },
    generation: number = 0,
  ) {
    this.path = path
    this.generation = generation
    if ('index' in known) this.#index = known.index
    else this.#summary = known.summary
    this.baseOffset = this.summary.baseOffset
  }

  /** The index; undefined for a sealed segment whose index is on disk only. The active segment always has it. */
  get index(): SegmentIndex | undefined {
    return this.#index
  }

  /** What is known without loading the index. */
  get summary(): SegmentSummary {
    return this.#index?.summary ?? this.#summary!
  }

  /** Offset after the last record. */
  get endOffset(): Offset {
    return this.#index?.endOffset ?? this.#summary!.endOffset
  }

  /** What the cleaner is told. */
  get view(): SegmentView {
    const { path, generation } = this
    return { path, generation, ...this.summary }
  }

  /** Keeps an index that was loaded. */
  load(index: SegmentIndex): void {
    this.#index = index
    this.#summary = undefined
  }

  /** Gives the memory of the index back; it is loaded again when it is needed. For sealed segments only. */
  unload(): void {
    this.#summary = this.summary
    this.#index = undefined
  }
}

/** The error for a damaged batch that was once synced: names file, byte and offset, and the way out. */
export function corruptAt(path: string, position: number, offset: Offset): GomqError {
  return new GomqError(
    'CORRUPT_LOG',
    `the log is damaged: ${path}, at byte ${position}, where offset ${offset} should begin, holds no intact batch, and what is known of the log shows that it was once complete; restore the data directory from a backup, or, to give up everything from offset ${offset} on, cut this file at that byte, move the later segments away, and remove the file 'checkpoint'`,
  )
}
