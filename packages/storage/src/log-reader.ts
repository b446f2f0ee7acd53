import {
  baseOffsetOf,
  type Crc32,
  GomqError,
  invariant,
  isBatchIntact,
  isControl,
  nextOffsetOf,
  type Offset,
  topicOf,
} from '@gomq/protocol'
import type { ColdReads } from './cold-reads.js'
import { CONTROL_TOPIC, type SegmentIndex } from './format/segment-index.js'
import type { IndexCache } from './index-cache.js'
import { READ_RUN_BYTES_MAX } from './limits.js'
import type { LogState } from './log-state.js'
import type { ReadBuffer } from './read-buffer.js'
import { corruptAt, type Segment, type SegmentView } from './segment.js'
import type { SegmentFiles } from './segment-files.js'
import type { TailCache } from './tail-cache.js'

/** What is read. */
export interface ReadRequest {
  /** First offset wanted; `logStartOffset <= from <= to`. */
  readonly from: Offset
  /** Offset to stop before, where a batch begins or once began; at most `syncedOffset`. The high watermark by default. */
  readonly to?: Offset
  /** Soft bound on the bytes returned; a first batch above it is returned alone. */
  readonly bytesMax: number
  /** Which topics are wanted; asked about each topic at least once. All of them, and control batches, by default. */
  readonly wants?: (topic: string) => boolean
  /** Where batches from disk are put, in place of memory of their own: good as long as the caller has no other use for it. */
  readonly buffer?: ReadBuffer
}

/** What was read. */
export interface ReadResult {
  /** Whole batches, in order; shared with other readers, so nobody may write to them. */
  readonly batches: Uint8Array[]
  /** Everything below was looked at: where to read on. Above `from`, unless `from` was `to`. */
  readonly nextOffset: Offset
  /** Whether what was looked at has been cleaned: offsets that are not in `batches` may have held something once. */
  readonly isThinned: boolean
  /** The cleaned segment that was looked at; undefined if what was looked at is as it was appended. */
  readonly cleanedSegment?: SegmentView
}

/** Reads a log: what is new from memory, the rest from disk through the indexes. */
export class LogReader {
  readonly #state: LogState
  readonly #tail: TailCache
  readonly #indexes: IndexCache
  readonly #files: SegmentFiles
  readonly #coldReads: ColdReads
  readonly #crc32: Crc32
  readonly #checkAlive: () => void

  constructor(parts: {
    readonly state: LogState
    readonly tail: TailCache
    readonly indexes: IndexCache
    readonly files: SegmentFiles
    readonly coldReads: ColdReads
    readonly crc32: Crc32
    /** Throws once the log is closed or has failed; asked again when a read that waited gets its turn. */
    readonly checkAlive: () => void
  }) {
    this.#state = parts.state
    this.#tail = parts.tail
    this.#indexes = parts.indexes
    this.#files = parts.files
    this.#coldReads = parts.coldReads
    this.#crc32 = parts.crc32
    this.#checkAlive = parts.checkAlive
  }

  /** See `Log.read`. */
  async read(request: ReadRequest): Promise<ReadResult> {
    this.#checkAlive()
    const to = request.to ?? this.#state.highWatermark
    invariant(to <= this.#state.syncedOffset, `reading to ${to}, above what is on disk, ${this.#state.syncedOffset}`)
    return this.#read(request, to, () => this.#state.syncedOffset)
  }

  /**
   * As {@link read}, up to what is in the file, synced or not. For members alone, whose copy counts only when they have synced it themselves: a
   * crash may take it back here.
   */
  async readWritten(request: Omit<ReadRequest, 'to'>): Promise<ReadResult> {
    this.#checkAlive()
    return this.#read(request, this.#state.writtenOffset, () => this.#state.writtenOffset)
  }

  /** @param bound  what may be read at a later moment: the log may have been truncated while a read waited for its turn */
  #read(request: ReadRequest, to: Offset, bound: () => Offset): ReadResult | Promise<ReadResult> {
    this.#checkRange(request.from, to)
    if (request.from === to) return { batches: [], nextOffset: to, isThinned: false }
    const cachedFrom = this.#tail.startOffset
    if (cachedFrom !== undefined && cachedFrom <= request.from) return this.#readTail(request, to)
    return this.#coldReads.run(() => {
      this.#checkAlive()
      const end = Math.min(to, bound()) as Offset
      this.#checkRange(request.from, end)
      return this.#readDisk(request, end)
    })
  }

  /** See `Log.offsetForTime`. */
  async offsetForTime(timeMs: number): Promise<Offset> {
    return this.#coldReads.run(async () => {
      this.#checkAlive()
      for (const segment of this.#state.segments) {
        if (segment.summary.lastTimeMs < timeMs) continue
        const index = await this.#indexes.get(segment)
        const entry = index.entryForTime(timeMs)
        // A cleaned segment may be without batches.
        if (entry < index.count) return Math.min(index.offsetAt(entry), this.#state.highWatermark) as Offset
      }
      return this.#state.highWatermark
    })
  }

  #checkRange(from: Offset, to: Offset): void {
    const { logStartOffset } = this.#state
    if (from >= logStartOffset && from <= to) return
    throw new GomqError(
      'OFFSET_OUT_OF_RANGE',
      `offset ${from} is outside the log, ${logStartOffset} to ${to}; start from one in it or from 'earliest'`,
    )
  }

  #readTail(request: ReadRequest, to: Offset): ReadResult {
    const batches: Uint8Array[] = []
    let nextOffset = request.from
    let bytes = 0
    this.#tail.from(request.from, (batch) => {
      if (baseOffsetOf(batch) >= to) return false
      const isWanted = request.wants === undefined || (!isControl(batch) && request.wants(topicOf(batch)))
      if (isWanted) {
        if (bytes > 0 && bytes + batch.byteLength > request.bytesMax) return false
        bytes += batch.byteLength
        batches.push(batch)
      }
      nextOffset = nextOffsetOf(batch)
      return true
    })
    return { batches, nextOffset, isThinned: false }
  }

  async #readDisk(request: ReadRequest, to: Offset): Promise<ReadResult> {
    const segment = this.#state.segmentFor(request.from)
    const index = await this.#indexes.get(segment)
    const isWanted = wantedEntries(index, request.wants)
    const isOver = (entry: number) => entry >= index.count || index.offsetAt(entry) >= to
    const runs: Run[] = []
    let entry = index.entryFor(request.from)
    let bytes = 0
    while (!isOver(entry)) {
      if (!isWanted(entry)) {
        entry++
        continue
      }
      const start = index.positionAt(entry)
      let end = entry
      while (!isOver(end) && isWanted(end)) {
        const runBytes = index.positionAt(end + 1) - start
        const isFirst = runs.length === 0 && end === entry
        if (!isFirst && bytes + runBytes > request.bytesMax) break
        if (end > entry && runBytes > READ_RUN_BYTES_MAX) break
        end++
      }
      if (end === entry) break
      runs.push({ from: entry, to: end })
      bytes += index.positionAt(end) - start
      entry = end
      if (bytes >= request.bytesMax) break
    }
    const batches = await this.#readRuns(segment, index, runs, request.buffer)
    // Over a gap, but not over `to`, which may lie in it.
    const lookedTo = entry === 0 ? segment.baseOffset : index.endAt(entry - 1)
    const nextOffset = Math.max(lookedTo, Math.min(index.offsetAt(entry), to)) as Offset
    if (segment.generation === 0) return { batches, nextOffset, isThinned: false }
    return { batches, nextOffset, isThinned: true, cleanedSegment: segment.view }
  }

  /** Reads runs of entries, each at once, and verifies them while the next one is read. */
  async #readRuns(
    segment: Segment,
    index: SegmentIndex,
    runs: readonly Run[],
    buffer: ReadBuffer | undefined,
  ): Promise<Uint8Array[]> {
    const read = ({ from, to }: Run): Promise<Uint8Array> => {
      const start = index.positionAt(from)
      const bytes = index.positionAt(to) - start
      const run = buffer?.take(bytes) ?? new Uint8Array(bytes)
      const reading = this.#files
        .use(segment.path, (file) => file.read(run, start))
        .then((count) => run.subarray(0, count))
      // It may be waited for later than it fails, or not at all.
      reading.catch(() => undefined)
      return reading
    }
    const batches: Uint8Array[] = []
    let next = runs[0] && read(runs[0])
    try {
      for (let i = 0; next !== undefined; i++) {
        const bytes: Uint8Array = await next
        next = runs[i + 1] && read(runs[i + 1]!)
        takeVerified(segment, index, runs[i]!, bytes, this.#crc32, batches)
      }
    } finally {
      await next?.catch(() => undefined)
    }
    return batches
  }
}

/** Entries that lie one behind the other: from `from` to before `to`. */
interface Run {
  readonly from: number
  readonly to: number
}

/** Adds the batches of a run to `batches`, each verified. @throws GomqError CORRUPT_BATCH */
function takeVerified(
  segment: Segment,
  index: SegmentIndex,
  { from, to }: Run,
  run: Uint8Array,
  crc32: Crc32,
  batches: Uint8Array[],
): void {
  const start = index.positionAt(from)
  for (let entry = from; entry < to; entry++) {
    const batch = run.subarray(index.positionAt(entry) - start, index.positionAt(entry + 1) - start)
    if (!isBatchIntact(batch, crc32) || baseOffsetOf(batch) !== index.offsetAt(entry)) {
      const { message } = corruptAt(segment.path, index.positionAt(entry), index.offsetAt(entry))
      throw new GomqError('CORRUPT_BATCH', message)
    }
    batches.push(batch)
  }
}

/** Whether an entry's topic is wanted; `wants` is asked once per topic that is met. */
function wantedEntries(index: SegmentIndex, wants: ReadRequest['wants']): (entry: number) => boolean {
  if (wants === undefined) return () => true
  const answers = new Map<number, boolean>([[CONTROL_TOPIC, false]])
  return (entry) => {
    const topic = index.topicAt(entry)
    let answer = answers.get(topic)
    if (answer === undefined) {
      answer = wants(index.names.at(topic))
      answers.set(topic, answer)
    }
    return answer
  }
}
