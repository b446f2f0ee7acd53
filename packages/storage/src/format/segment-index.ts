import {
  appendTimeMsOf,
  baseOffsetOf,
  type Crc32,
  concatBytes,
  decodeMsgpack,
  epochOf,
  HEADER_BYTES,
  invariant,
  isControl,
  lastOffsetDeltaOf,
  nextOffsetOf,
  type Offset,
  plainBytes,
  readU32,
  tableStartOf,
  writeU32,
} from '@gomq/protocol'
import { INDEX_PIECE_BYTES } from '../limits.js'
import { type EpochStart, epochStartsOf, flatEpochStarts } from './epoch-start.js'
import { encodeSealed, readSealed } from './sealed-record.js'
import { StoredNames } from './stored-names.js'
import { GrowingNames, type TopicNames } from './topic-names.js'

/** What a sealed segment's index says without being loaded. */
export interface SegmentSummary {
  /** Offset that names the segment's file; that of the first record, if there is one. */
  readonly baseOffset: Offset
  /** Offset after the last record: the next segment's base. */
  readonly endOffset: Offset
  /** Bytes of the segment. */
  readonly bytes: number
  /** Append time of the first batch, ms since 1970; 0 without batches. */
  readonly firstTimeMs: number
  /** Append time of the last batch, ms since 1970; 0 without batches. */
  readonly lastTimeMs: number
  /** The epochs in the segment, the first one from the first batch on, also if it began earlier. */
  readonly epochStarts: readonly EpochStart[]
}

/** What is known of a cleaned segment before its batches: offsets have gaps in it. */
export interface CleanedShape {
  /** Offset after what the segment covers; the last batch may end before it. */
  readonly endOffset: Offset
  /** 1 or more. */
  readonly generation: number
  /** Where the first batch begins in the file. */
  readonly headBytes: number
  /** The epochs of what the segment covers. */
  readonly epochStarts: readonly EpochStart[]
}

/** What the beginning of an index file says. */
export interface StoredSummary {
  readonly summary: SegmentSummary
  /** Batches in the segment. */
  readonly count: number
  /** For a cleaned segment. */
  readonly cleaned: CleanedShape | undefined
  /** Bytes of the summary in the file. */
  readonly summaryBytes: number
}

/** An index file as it is written. */
export interface EncodedIndex {
  /** Where the body begins. */
  readonly bodyPosition: number
  readonly body: Iterable<Uint8Array>
  /** What stands before the body with this checksum. */
  headFor(bodyCrc: number): Uint8Array
}

/** Between the summary and the body of an index file: the checksum of the body. */
export const INDEX_CRC_BYTES = 4

const MAGIC = 0x58514d47 // "GMQX"
const VERSION = 1
const INITIAL_ENTRIES = 256
const U32_MAX = 0xffff_ffff

/** Topic number of control batches. */
export const CONTROL_TOPIC = 0

/**
 * Finds the batches of one segment by offset, topic and time: four columns of u32, 16 bytes a batch. Built while appending, written
 * when the segment is sealed, rebuilt from the segment whenever in doubt.
 *
 *     entry      offset - base   position   topic   time - first
 *       0              0              0        1          0           names: 0 '' (control), 1 'a', 2 'b'
 *       1              3            214        2          7
 *       2             10            530        1         12
 *
 * In a cleaned segment the offsets have gaps. There a fifth column holds how many offsets each batch covers, less one.
 *
 * The file is described in docs/reference/log-format.md.
 */
export class SegmentIndex {
  readonly baseOffset: Offset
  readonly #cleaned: CleanedShape | undefined
  #count = 0
  #offsets = new Uint32Array(INITIAL_ENTRIES)
  #positions = new Uint32Array(INITIAL_ENTRIES)
  #topics = new Uint32Array(INITIAL_ENTRIES)
  #times = new Uint32Array(INITIAL_ENTRIES)
  /** Last offset deltas; undefined where each batch ends at the next one's base. */
  #deltas: Uint32Array<ArrayBuffer> | undefined
  #names: GrowingNames | StoredNames = new GrowingNames()
  #firstTimeMs = 0
  #lastTimeMs = 0
  #nextOffset: Offset
  #bytes: number
  #epochStarts: EpochStart[]

  /** @param cleaned  for the index of a cleaned segment */
  constructor(baseOffset: Offset, cleaned?: CleanedShape) {
    this.baseOffset = baseOffset
    this.#cleaned = cleaned
    this.#nextOffset = baseOffset
    this.#bytes = cleaned?.headBytes ?? 0
    this.#epochStarts = [...(cleaned?.epochStarts ?? [])]
    if (cleaned !== undefined) this.#deltas = new Uint32Array(INITIAL_ENTRIES)
  }

  /** Batches in the index. */
  get count(): number {
    return this.#count
  }
  /** Offset after the last batch, the base offset if there is none; of a cleaned segment, after what it covers. */
  get endOffset(): Offset {
    return this.#cleaned?.endOffset ?? this.#nextOffset
  }
  /** Offset after the last batch; the base offset if there is none. */
  get nextOffset(): Offset {
    return this.#nextOffset
  }
  /** 0 for a segment as it was appended. */
  get generation(): number {
    return this.#cleaned?.generation ?? 0
  }
  /** Bytes of the head and all batches: where the next one begins in the file. */
  get bytes(): number {
    return this.#bytes
  }
  /** Topics by number; {@link CONTROL_TOPIC} has the empty name. */
  get names(): TopicNames {
    return this.#names
  }

  /** Bytes of memory that the index takes, about. */
  get memoryBytes(): number {
    return this.#offsets.length * (this.#deltas === undefined ? 16 : 20) + this.#names.memoryBytes
  }

  /** What is kept when the index is not loaded. */
  get summary(): SegmentSummary {
    return {
      baseOffset: this.baseOffset,
      endOffset: this.endOffset,
      bytes: this.#bytes,
      firstTimeMs: this.#firstTimeMs,
      lastTimeMs: this.#lastTimeMs,
      epochStarts: this.#epochStarts,
    }
  }

  /**
   * Whether the batch can be added: its offset (2^32 from the base), its position (4 GiB) and its time (49 days from the first batch)
   * must fit into their columns. The first one always does; for one that does not the log begins a new segment.
   *
   * @param first  the batch that will be the segment's first, as long as there is none
   */
  fits(batch: Uint8Array, first: Uint8Array = batch): boolean {
    const isEmpty = this.#count === 0
    const timeMs = appendTimeMsOf(batch)
    return (
      (isEmpty && batch === first) ||
      (baseOffsetOf(batch) - this.baseOffset <= U32_MAX &&
        this.#bytes <= U32_MAX &&
        timeMs >= this.#lastTimeMs &&
        timeMs - (isEmpty ? appendTimeMsOf(first) : this.#firstTimeMs) <= U32_MAX)
    )
  }

  /** Whether the batch may stand behind the last one: at its end, or in a cleaned segment somewhere up to the end of what is covered. */
  follows(batch: Uint8Array): boolean {
    const base = baseOffsetOf(batch)
    if (this.#cleaned === undefined) return base === this.#nextOffset
    return base >= this.#nextOffset && nextOffsetOf(batch) <= this.#cleaned.endOffset
  }

  /** Adds the batch that {@link follows} the last one; it {@link fits}. */
  add(batch: Uint8Array): void {
    invariant(
      this.follows(batch) && this.fits(batch),
      `a batch at offset ${baseOffsetOf(batch)} does not fit into an index that ends at ${this.#nextOffset}`,
    )
    if (this.#count === this.#offsets.length) this.#grow()
    const at = this.#count++
    const timeMs = appendTimeMsOf(batch)
    if (at === 0) this.#firstTimeMs = timeMs
    this.#offsets[at] = baseOffsetOf(batch) - this.baseOffset
    this.#positions[at] = this.#bytes
    this.#topics[at] = isControl(batch)
      ? CONTROL_TOPIC
      : this.#growingNames().numberIn(batch, HEADER_BYTES, tableStartOf(batch))
    this.#times[at] = timeMs - this.#firstTimeMs
    if (this.#deltas !== undefined) this.#deltas[at] = lastOffsetDeltaOf(batch)
    this.#lastTimeMs = timeMs
    this.#bytes += batch.byteLength
    this.#nextOffset = nextOffsetOf(batch)
    const epoch = epochOf(batch)
    if ((this.#epochStarts.at(-1)?.epoch ?? -1) < epoch)
      this.#epochStarts.push({ epoch, startOffset: baseOffsetOf(batch) })
  }

  /** Entry of the batch that holds `offset`, or the next one; `count` if it lies behind the last. */
  entryFor(offset: Offset): number {
    const relative = offset - this.baseOffset
    if (offset >= this.#nextOffset) return this.#count
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#offsets[middle]! <= relative) low = middle + 1
      else high = middle
    }
    return low > 0 && offset < this.endAt(low - 1) ? low - 1 : low
  }

  /** First entry appended at `timeMs` (ms since 1970) or later; `count` if there is none. */
  entryForTime(timeMs: number): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#firstTimeMs + this.#times[middle]! < timeMs) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Base offset of an entry; the end offset behind the last one. */
  offsetAt(entry: number): Offset {
    return (entry < this.#count ? this.baseOffset + this.#offsets[entry]! : this.endOffset) as Offset
  }
  /** Offset after an entry's last record; where there are gaps it may be below the next one's base. */
  endAt(entry: number): Offset {
    if (this.#deltas === undefined) return this.offsetAt(entry + 1)
    return (this.baseOffset + this.#offsets[entry]! + this.#deltas[entry]! + 1) as Offset
  }
  /** Position of an entry's first byte in the file; the end behind the last one. */
  positionAt(entry: number): number {
    return entry < this.#count ? this.#positions[entry]! : this.#bytes
  }
  /** Number of an entry's topic, for {@link names}; {@link CONTROL_TOPIC} for a control batch. */
  topicAt(entry: number): number {
    return this.#topics[entry]!
  }

  /** Forgets every batch from `offset` on; a batch that holds it goes as a whole. Names stay. Not for a cleaned segment. */
  truncate(offset: Offset): void {
    invariant(this.#cleaned === undefined, 'a cleaned segment is not truncated')
    const entry = this.entryFor(offset)
    if (entry >= this.#count) return
    this.#bytes = this.#positions[entry]!
    this.#nextOffset = this.offsetAt(entry)
    this.#lastTimeMs = entry === 0 ? 0 : this.#firstTimeMs + this.#times[entry - 1]!
    if (entry === 0) this.#firstTimeMs = 0
    this.#count = entry
    this.#epochStarts = this.#epochStarts.filter((start) => start.startOffset < this.#nextOffset)
  }

  /**
   * The index file of a sealed segment: what stands at its head, and behind it, from `bodyPosition` on, the body in pieces that are short work each.
   * Nothing is added meanwhile.
   */
  encode(crc32: Crc32): EncodedIndex {
    const { baseOffset, endOffset, bytes, firstTimeMs, lastTimeMs, epochStarts } = this.summary
    const summary = encodeSealed(
      MAGIC,
      VERSION,
      [
        baseOffset,
        endOffset,
        bytes,
        firstTimeMs,
        lastTimeMs,
        flatEpochStarts(epochStarts),
        this.#count,
        ...(this.#cleaned === undefined ? [] : [this.#cleaned.generation, this.#cleaned.headBytes]),
      ],
      crc32,
    )
    return {
      bodyPosition: summary.byteLength + INDEX_CRC_BYTES,
      body: this.#body(),
      headFor: (bodyCrc) => {
        const crc = new Uint8Array(INDEX_CRC_BYTES)
        writeU32(crc, 0, bodyCrc)
        return concatBytes([summary, crc])
      },
    }
  }

  *#body(): Generator<Uint8Array> {
    const deltas = this.#deltas === undefined ? [] : [this.#deltas]
    for (const column of [this.#offsets, this.#positions, this.#topics, this.#times, ...deltas]) {
      const bytes = new Uint8Array(column.buffer, column.byteOffset, this.#count * 4)
      for (let at = 0; at < bytes.byteLength; at += INDEX_PIECE_BYTES) yield bytes.subarray(at, at + INDEX_PIECE_BYTES)
    }
    yield* this.#names.encode()
  }

  /** The summary at the head of an index file; undefined if it is damaged or of another version, so that the index is rebuilt. */
  static decodeSummary(bytes: Uint8Array, crc32: Crc32): StoredSummary | undefined {
    const sealed = readSealed(bytes, MAGIC, crc32)
    if (sealed === undefined || sealed.version !== VERSION) return undefined
    const [baseOffset, endOffset, size, firstTimeMs, lastTimeMs, flat, count, generation, headBytes] = decodeMsgpack(
      sealed.body,
    ) as [Offset, Offset, number, number, number, number[], number, number | undefined, number | undefined]
    const epochStarts = epochStartsOf(flat)
    return {
      summary: { baseOffset, endOffset, bytes: size, firstTimeMs, lastTimeMs, epochStarts },
      count,
      cleaned:
        generation === undefined || headBytes === undefined
          ? undefined
          : { endOffset, generation, headBytes, epochStarts },
      summaryBytes: sealed.bytes,
    }
  }

  /** A whole index file; undefined if it is damaged or of another version. */
  static decode(bytes: Uint8Array, crc32: Crc32): SegmentIndex | undefined {
    const head = SegmentIndex.decodeSummary(bytes, crc32)
    if (head === undefined || bytes.byteLength < head.summaryBytes + INDEX_CRC_BYTES) return undefined
    // A copy, so that the columns lie where numbers may.
    const body = plainBytes(bytes).slice(head.summaryBytes + INDEX_CRC_BYTES)
    return crc32(body) === readU32(bytes, head.summaryBytes) ? SegmentIndex.fromBody(head, body) : undefined
  }

  /**
   * The index of which the file's summary is `head`. Short work, however many batches and topics it has.
   * @param body  what follows the checksum, which holds, at the start of a buffer of its own; it is kept
   * @returns undefined if it is shorter than the summary says
   */
  static fromBody({ summary, count, cleaned }: StoredSummary, body: Uint8Array<ArrayBuffer>): SegmentIndex | undefined {
    const columns = cleaned === undefined ? 4 : 5
    if (body.byteLength < 4 * columns * count) return undefined
    const index = new SegmentIndex(summary.baseOffset, cleaned)
    const column = (n: number) => new Uint32Array(body.buffer, n * 4 * count, count)
    index.#count = count
    index.#offsets = column(0)
    index.#positions = column(1)
    index.#topics = column(2)
    index.#times = column(3)
    if (cleaned !== undefined) index.#deltas = column(4)
    index.#names = new StoredNames(body.subarray(4 * columns * count))
    index.#firstTimeMs = summary.firstTimeMs
    index.#lastTimeMs = summary.lastTimeMs
    index.#nextOffset =
      cleaned === undefined ? summary.endOffset : count === 0 ? summary.baseOffset : index.endAt(count - 1)
    index.#bytes = summary.bytes
    index.#epochStarts = [...summary.epochStarts]
    return index
  }

  /** Gets an index that was read ready for {@link add}, which does it otherwise: with a million topics it takes a second. */
  prepareToAdd(): void {
    this.#growingNames()
  }

  #growingNames(): GrowingNames {
    if (this.#names instanceof StoredNames) this.#names = new GrowingNames(this.#names)
    return this.#names
  }

  #grow(): void {
    const grown = (column: Uint32Array<ArrayBuffer>) => {
      const larger = new Uint32Array(Math.max(INITIAL_ENTRIES, column.length * 2))
      larger.set(column)
      return larger
    }
    this.#offsets = grown(this.#offsets)
    this.#positions = grown(this.#positions)
    this.#topics = grown(this.#topics)
    this.#times = grown(this.#times)
    if (this.#deltas !== undefined) this.#deltas = grown(this.#deltas)
  }
}
