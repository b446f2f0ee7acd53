import { GomqError, type Offset } from '@gomq/protocol'
import type { SegmentIndex, SegmentSummary } from './format/segment-index.js'

/** Name of the segment file that begins at `baseOffset`: 20 digits, so that names sort as offsets do. */
export function segmentName(baseOffset: Offset): string {
  return `${String(baseOffset).padStart(20, '0')}.log`
}

/** Name of its index file. */
export function indexName(baseOffset: Offset): string {
  return `${String(baseOffset).padStart(20, '0')}.index`
}

/** Base offset in a segment's file name; undefined for other files. */
export function baseOffsetFromName(name: string): Offset | undefined {
  const match = /^(\d{20})\.log$/.exec(name)
  return match === null ? undefined : (Number(match[1]) as Offset)
}

/** One file of the log: whole batches, one behind the other. It has either its index or, if that is not loaded, the summary of it. */
export class Segment {
  readonly baseOffset: Offset
  readonly path: string
  #index: SegmentIndex | undefined
  #summary: SegmentSummary | undefined

  /** @param known  its index, or for a sealed segment the summary of it */
  constructor(path: string, known: { readonly index: SegmentIndex } | { readonly summary: SegmentSummary }) {
    this.path = path
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
