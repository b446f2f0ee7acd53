import {
  baseOffsetOf,
  batchBytesOf,
  type Crc32,
  HEADER_BYTES,
  isBatchIntact,
  isHeaderIntact,
  nextOffsetOf,
  type Offset,
  topicBytesOf,
} from '@gomq/protocol'
import type { FileHandle, FileSystem } from '../file-system.js'
import { CLEANED_MAGIC, decodeCleanedHead } from '../format/cleaned-head.js'
import { readSealed, SEALED_HEAD_BYTES } from '../format/sealed-record.js'
import { WALK_CHUNK_BYTES } from '../limits.js'
import type { SegmentView } from '../segment.js'
import { DamagedSegmentError } from './damaged-segments.js'

/** What a walk works with. */
export interface WalkContext {
  readonly fs: FileSystem
  readonly crc32: Crc32
  /** Called after each read from disk; settles when it is our turn again. */
  readonly pause: () => Promise<void>
}

/**
 * Goes through the batches of a sealed segment's file, one after the other. Bodies that nobody asks for are not read where they are large.
 *
 *     while ((head = await walk.head()) !== undefined) { ...; walk.advance() }
 */
export class SegmentWalk {
  readonly #context: WalkContext
  readonly #segment: SegmentView
  readonly #file: FileHandle
  #chunk: Uint8Array = new Uint8Array(0)
  #chunkAt = 0
  #at = 0
  #nextOffset: Offset
  #head: Uint8Array | undefined

  private constructor(context: WalkContext, segment: SegmentView, file: FileHandle) {
    this.#context = context
    this.#segment = segment
    this.#file = file
    this.#nextOffset = segment.baseOffset
  }

  /** Runs `work` with a walk over the segment. */
  static async over<T>(
    context: WalkContext,
    segment: SegmentView,
    work: (walk: SegmentWalk) => Promise<T>,
  ): Promise<T> {
    const file = await context.fs.open(segment.path, 'read')
    try {
      const walk = new SegmentWalk(context, segment, file)
      await walk.#start()
      return await work(walk)
    } finally {
      await file.close()
    }
  }

  /**
   * Header and topic of the batch here, the header verified; undefined at the end of the segment. Valid until {@link advance}.
   * @throws GomqError CORRUPT_LOG  there is no intact header, or it does not belong here
   */
  async head(): Promise<Uint8Array | undefined> {
    if (this.#head !== undefined) return this.#head
    const left = this.#segment.bytes - this.#at
    if (left <= 0) return undefined
    const header = await this.#read(HEADER_BYTES)
    if (
      !isHeaderIntact(header, this.#context.crc32) ||
      batchBytesOf(header) > left ||
      baseOffsetOf(header) < this.#nextOffset ||
      nextOffsetOf(header) > this.#segment.endOffset
    )
      throw this.#corrupt()
    const head = await this.#read(HEADER_BYTES + topicBytesOf(header))
    this.#head = head.subarray(0, HEADER_BYTES + topicBytesOf(header))
    return this.#head
  }

  /**
   * The whole batch here, verified; only after {@link head}. Valid until {@link advance}.
   * @throws GomqError CORRUPT_LOG  its checksum fails
   */
  async batch(): Promise<Uint8Array> {
    const bytes = batchBytesOf(this.#head!)
    const batch = (await this.#read(bytes)).subarray(0, bytes)
    if (!isBatchIntact(batch, this.#context.crc32)) throw this.#corrupt()
    return batch
  }

  /** Goes on to the next batch; only after {@link head}. */
  advance(): void {
    this.#nextOffset = nextOffsetOf(this.#head!)
    this.#at += batchBytesOf(this.#head!)
    this.#head = undefined
  }

  /** Goes past the head of a cleaned segment. */
  async #start(): Promise<void> {
    if (this.#segment.generation === 0) return
    const record = readSealed(await this.#read(SEALED_HEAD_BYTES), CLEANED_MAGIC, this.#context.crc32)
    if (record === undefined) throw this.#corrupt()
    this.#at = decodeCleanedHead(record).headBytes
  }

  /** The file from here on, at least `bytesMin` of it. */
  async #read(bytesMin: number): Promise<Uint8Array> {
    if (this.#at < this.#chunkAt || this.#at + bytesMin > this.#chunkAt + this.#chunk.byteLength) {
      const left = this.#segment.bytes - this.#at
      if (bytesMin > left) throw this.#corrupt()
      const larger = new Uint8Array(Math.min(left, Math.max(WALK_CHUNK_BYTES, bytesMin)))
      const count = await this.#file.read(larger, this.#at)
      this.#chunk = larger.subarray(0, count)
      this.#chunkAt = this.#at
      if (count < bytesMin) throw this.#corrupt()
      await this.#context.pause()
    }
    return this.#chunk.subarray(this.#at - this.#chunkAt)
  }

  #corrupt(): Error {
    return new DamagedSegmentError(this.#segment, this.#at, this.#nextOffset)
  }
}
