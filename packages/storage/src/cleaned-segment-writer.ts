import type { Crc32, Offset } from '@gomq/protocol'
import type { FileSystem } from './file-system.js'
import type { EpochStart, SegmentSummary } from './format/segment-index.js'

/** What a cleaned segment will cover: fixed before its batches are written. */
export interface CleanedRange {
  /** Base offset of the first segment that it replaces. */
  readonly baseOffset: Offset
  /** End offset of the last segment that it replaces. */
  readonly endOffset: Offset
  /** Above that of each segment that it replaces, 1 or more. */
  readonly generation: number
  /** Those of the segments that it replaces, also where their batches are gone. */
  readonly epochStarts: readonly EpochStart[]
}

/** A cleaned segment in its place on the disk: plain values, which may come from a worker. */
export interface CleanedSegment {
  readonly path: string
  readonly generation: number
  readonly baseOffset: Offset
  readonly endOffset: Offset
  readonly summary: SegmentSummary
}

/**
 * Writes a cleaned segment beside those that it will replace. It needs nothing of the live log, so that it works in another thread too.
 */
export class CleanedSegmentWriter {
  /** Begins the file, under a temporary name. */
  static create(_fs: FileSystem, _folder: string, _range: CleanedRange, _crc32: Crc32): Promise<CleanedSegmentWriter> {
    throw new Error('not there yet')
  }

  /** Adds a batch: offsets rise, with gaps. The bytes are copied. */
  add(_batch: Uint8Array): Promise<void> {
    throw new Error('not there yet')
  }

  /** Syncs the file and renames it into its place, and writes its index. */
  finish(): Promise<CleanedSegment> {
    throw new Error('not there yet')
  }

  /** Removes what was written, also after {@link finish} as long as nobody replaced anything by it. */
  abandon(): Promise<void> {
    throw new Error('not there yet')
  }
}
