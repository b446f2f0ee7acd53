import { baseOffsetOf, type Crc32, epochOf, invariant, nextOffsetOf, type Offset } from '@gomq/protocol'
import type { FileHandle, FileSystem } from './file-system.js'
import { cleanedHeadBytes, encodeCleanedHead } from './format/cleaned-head.js'
import type { EpochStart } from './format/epoch-start.js'
import { SegmentIndex, type SegmentSummary } from './format/segment-index.js'
import { writeIndex } from './index-file.js'
import { CLEANED_WRITE_BYTES } from './limits.js'
import { indexName, segmentName } from './segment.js'

/** What a cleaned segment will cover: fixed before its batches are written. */
export interface CleanedRange {
  /** Base offset of the first segment that it replaces. */
  readonly baseOffset: Offset
  /** End offset of the last segment that it replaces. */
  readonly endOffset: Offset
  /** Above that of each segment that it replaces, 1 or more. */
  readonly generation: number
  /** Those of the segments that it replaces, joined: also where their batches are gone. */
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
 *
 *     create -> add, add, add -> finish    -> Log.replaceSegments
 *                             -> abandon
 *
 * The file has a temporary name until it is whole and synced; the next start removes what a crash leaves of it. From `finish` on it is part of
 * the log: the next start takes it for the segments that it covers, whether {@link Log.replaceSegments} was called or not.
 * So whoever changes its mind then calls {@link abandon}. After an error of the file system call {@link abandon} too.
 */
export class CleanedSegmentWriter {
  readonly #fs: FileSystem
  readonly #folder: string
  readonly #crc32: Crc32
  readonly #index: SegmentIndex
  readonly #headBytes: number
  readonly #name: string
  #file: FileHandle | undefined
  /** What waits to be written. */
  #chunks: Uint8Array[] = []
  #chunkBytes = 0
  #writtenBytes: number

  private constructor(fs: FileSystem, folder: string, range: CleanedRange, crc32: Crc32, file: FileHandle) {
    this.#fs = fs
    this.#folder = folder
    this.#crc32 = crc32
    this.#headBytes = cleanedHeadBytes(range.epochStarts.length, crc32)
    this.#index = new SegmentIndex(range.baseOffset, { ...range, headBytes: this.#headBytes })
    this.#name = segmentName(range.baseOffset, range.generation)
    this.#file = file
    this.#writtenBytes = this.#headBytes
  }

  /**
   * Begins the file, under a temporary name.
   *
   * @param folder  where the segments lie, `log` below the data directory
   * @throws Error  of the operating system, with its `code`
   */
  static async create(
    fs: FileSystem,
    folder: string,
    range: CleanedRange,
    crc32: Crc32,
  ): Promise<CleanedSegmentWriter> {
    const { baseOffset, endOffset, generation } = range
    invariant(
      baseOffset < endOffset && Number.isSafeInteger(generation) && generation >= 1,
      `a cleaned segment from ${baseOffset} to ${endOffset} of generation ${generation}`,
    )
    const file = await fs.open(`${folder}/${segmentName(baseOffset, generation)}.tmp`, 'create')
    return new CleanedSegmentWriter(fs, folder, range, crc32, file)
  }

  /** Bytes of the file so far, with what waits to be written. */
  get bytes(): number {
    return this.#index.bytes
  }

  /**
   * Whether the batch can be added: its offset (2^32 from the base), its position (4 GiB) and its time (49 days from the first batch) must fit into
   * the index. Always so when one segment is rewritten; whoever merges several looks at their views before.
   */
  fits(batch: Uint8Array): boolean {
    return this.#index.follows(batch) && this.#index.fits(batch)
  }

  /**
   * Adds a batch: inside the range, behind the one before, with any gap between. The bytes are copied; they are written when enough has
   * gathered. One call at a time. A batch that does not {@link fits} is a bug.
   *
   * @throws Error  of the operating system, with its `code`; only {@link abandon} may follow
   */
  async add(batch: Uint8Array): Promise<void> {
    invariant(
      this.fits(batch),
      `a batch at offset ${baseOffsetOf(batch)} to ${nextOffsetOf(batch)} in a cleaned segment`,
    )
    const { epochStarts } = this.#index.summary
    invariant(
      epochStarts.some((start) => start.epoch === epochOf(batch)),
      `epoch ${epochOf(batch)} has no start`,
    )
    this.#index.add(batch)
    this.#chunks.push(Uint8Array.prototype.slice.call(batch))
    this.#chunkBytes += batch.byteLength
    if (this.#chunkBytes >= CLEANED_WRITE_BYTES) await this.#flush()
  }

  /** Writes and syncs what was added so far, so that little is left to {@link finish}. @throws as {@link add} */
  async sync(): Promise<void> {
    await this.#flush()
    await this.#file!.sync()
  }

  /**
   * Syncs the file and renames it into its place, and writes its index. When it settles, both survive a crash.
   *
   * @throws Error  of the operating system, with its `code`; call {@link abandon}
   */
  async finish(): Promise<CleanedSegment> {
    const index = this.#index
    const { baseOffset, endOffset, generation, summary } = index
    const path = `${this.#folder}/${this.#name}`
    await this.#flush()
    const file = this.#file!
    await file.writev(
      [encodeCleanedHead({ ...summary, generation, batches: index.count, headBytes: this.#headBytes }, this.#crc32)],
      0,
    )
    await file.sync()
    await this.#close()
    // An index that another attempt of this name left must not be there when the file is.
    await this.#fs.remove(`${this.#folder}/${indexName(baseOffset, generation)}`)
    await this.#fs.syncDirectory(this.#folder)
    await this.#fs.rename(`${path}.tmp`, path)
    await this.#fs.syncDirectory(this.#folder)
    // A failure loses nothing: the index is rebuilt when it is needed.
    await writeIndex(this.#fs, this.#folder, index, this.#crc32).catch(() => undefined)
    return { path, generation, baseOffset, endOffset, summary }
  }

  /** Removes what was written, also after {@link finish} as long as the log does not use it. Again: nothing happens. */
  async abandon(): Promise<void> {
    this.#chunks = []
    await this.#close()
    const { baseOffset, generation } = this.#index
    await this.#fs.remove(`${this.#folder}/${this.#name}.tmp`)
    await this.#fs.remove(`${this.#folder}/${indexName(baseOffset, generation)}`)
    await this.#fs.remove(`${this.#folder}/${this.#name}`)
    await this.#fs.syncDirectory(this.#folder)
  }

  async #flush(): Promise<void> {
    const chunks = this.#chunks
    const position = this.#writtenBytes
    this.#writtenBytes += this.#chunkBytes
    this.#chunks = []
    this.#chunkBytes = 0
    await this.#file!.writev(chunks, position)
  }

  async #close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }
}
