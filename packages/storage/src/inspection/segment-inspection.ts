import {
  appendTimeMsOf,
  baseOffsetOf,
  type Crc32,
  epochOf,
  isControl,
  nextOffsetOf,
  type Offset,
  readU32,
  recordCountOf,
  topicOf,
} from '@gomq/protocol'
import { EpochStarts } from '../epoch-starts.js'
import type { FileSystem } from '../file-system.js'
import type { CleanedHead } from '../format/cleaned-head.js'
import type { EpochStart } from '../format/epoch-start.js'
import { SEALED_HEAD_BYTES } from '../format/sealed-record.js'
import { CONTROL_TOPIC, type SegmentIndex } from '../format/segment-index.js'
import { writtenBytesOf } from '../recovery.js'
import type { SegmentFile } from './data-files.js'
import type { FileWindow } from './file-window.js'
import { openWalk, type StoredIndex } from './open-walk.js'
import type { SegmentPlace } from './segment-places.js'
import { type SegmentPiece, walkSegment } from './segment-walk.js'

/** Topics that a damage names at most. */
const TOPICS_MAX = 100

/** Batches that are gone, or whose bytes are. */
export interface DamagedRange {
  /** Bytes of the segment, half-open; empty where they are missing. */
  readonly fromByte: number
  readonly toByte: number
  /** Offsets that are lost, half-open; `toOffset` is undefined if nothing tells where the batches ended. */
  readonly fromOffset: Offset
  readonly toOffset: Offset | undefined
  /** Batches that were there and their topics, as the index knows them; undefined without one. Control batches have no topic. */
  readonly batches: number | undefined
  readonly topics: readonly string[] | undefined
  readonly isSearched: boolean
}

/**
 * What is known of an index file: it agrees with its segment, is not there, fails its checksum, or tells of another segment. One of the active
 * segment that a start does not believe, since it tells of another end, counts as not there.
 */
export type IndexState = 'intact' | 'missing' | 'damaged' | 'stale'

/** What a segment holds. */
export interface SegmentInspection {
  readonly file: SegmentFile
  readonly place: SegmentPlace
  readonly isActive: boolean
  readonly fileBytes: number
  /** Whether it is a cleaned one whose head is damaged. */
  readonly isHeadDamaged: boolean
  /** Whether bytes behind its head are changed that nobody reads. */
  readonly isPaddingDamaged: boolean
  /** Offset after the last intact batch; of a sealed segment the one after its last offset. */
  readonly endOffset: Offset
  readonly batches: number
  readonly records: number
  readonly epochStarts: readonly EpochStart[]
  readonly damages: readonly DamagedRange[]
  /** What the next start cuts, beside zeros. */
  readonly tornTail: { readonly fromByte: number; readonly toByte: number } | undefined
  /** Intact batches that break the order of epochs or times. */
  readonly disorders: readonly Extract<SegmentPiece, { kind: 'disorder' }>[]
  readonly index: IndexState
}

/** What an inspection works with. */
export interface InspectionContext {
  readonly fs: FileSystem
  readonly crc32: Crc32
  /** Told of bytes that were looked at since the last call. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/** Reads a segment and its index as a whole and says what they hold. */
export async function inspectSegment(context: InspectionContext, place: SegmentPlace): Promise<SegmentInspection> {
  const { fs, crc32, onBytes } = context
  const { file: segment } = place
  const { stored, ...walk } = await openWalk(fs, crc32, place)
  const { file, fileBytes } = walk.window
  try {
    const agreement = new IndexAgreement(stored?.isOurs ? stored.index : undefined)
    const damages: DamagedRange[] = []
    const disorders: Extract<SegmentPiece, { kind: 'disorder' }>[] = []
    const epochs = new EpochStarts()
    let tail: { fromByte: number; toByte: number } | undefined
    let endOffset = place.baseOffset
    let batches = 0
    let records = 0
    let seenBytes = 0
    for await (const piece of walkSegment(walk)) {
      if (piece.kind === 'batch') {
        const { batch, position } = piece
        batches++
        records += recordCountOf(batch)
        endOffset = nextOffsetOf(batch)
        epochs.add(epochOf(batch), baseOffsetOf(batch))
        agreement.check(batch, position)
        onBytes?.(position + batch.byteLength - seenBytes)
        seenBytes = position + batch.byteLength
      } else if (piece.kind === 'damage') damages.push(damagedRange(piece, walk.index))
      else if (piece.kind === 'disorder') disorders.push(piece)
      else if (piece.position < (await writtenBytesOf(file)))
        tail = { fromByte: piece.position, toByte: piece.endPosition }
    }
    onBytes?.(fileBytes - seenBytes)
    const { head } = place
    if (head !== undefined && damages.length === 0 && (batches !== head.batches || fileBytes !== head.bytes))
      damages.push({
        fromByte: Math.min(fileBytes, head.bytes),
        toByte: Math.max(fileBytes, head.bytes),
        fromOffset: endOffset,
        toOffset: head.endOffset,
        batches: head.batches - batches,
        topics: undefined,
        isSearched: false,
      })
    return {
      file: segment,
      place,
      isActive: place.isActive,
      fileBytes,
      isPaddingDamaged: head !== undefined && (await isPaddingDamaged(walk.window, head)),
      isHeadDamaged: segment.generation > 0 && head === undefined,
      endOffset: place.endOffset ?? endOffset,
      batches,
      records,
      // The index still knows an epoch whose batches are damaged.
      epochStarts: head?.epochStarts ?? walk.index?.summary.epochStarts ?? epochs.all,
      damages,
      tornTail: tail,
      disorders,
      index: indexState(
        place.isActive && stored?.index && !stored.isOurs ? undefined : stored,
        fileBytes,
        damages.length > 0 || agreement.isComplete,
      ),
    }
  } finally {
    await file.close()
  }
}

/** Behind the head's record there are zeros up to where the batches begin. */
async function isPaddingDamaged(window: FileWindow, { headBytes }: CleanedHead): Promise<boolean> {
  const head = (await window.view(0, headBytes)).subarray(0, headBytes)
  return head.subarray(SEALED_HEAD_BYTES + readU32(head, 12)).some((byte) => byte !== 0)
}

function indexState(stored: StoredIndex | undefined, fileBytes: number, agrees: boolean): IndexState {
  if (stored === undefined) return 'missing'
  if (stored.index === undefined) return 'damaged'
  return stored.isOurs && stored.index.bytes === fileBytes && agrees ? 'intact' : 'stale'
}

function damagedRange(piece: Extract<SegmentPiece, { kind: 'damage' }>, index: SegmentIndex | undefined): DamagedRange {
  const { position, endPosition, fromOffset, toOffset, isSearched } = piece
  const range = { fromByte: position, toByte: endPosition, fromOffset, toOffset, isSearched }
  if (index === undefined) return { ...range, batches: undefined, topics: undefined }
  const topics = new Set<string>()
  let batches = 0
  for (let entry = index.entryFor(fromOffset); entry < index.count; entry++) {
    if (toOffset !== undefined && index.offsetAt(entry) >= toOffset) break
    if (index.offsetAt(entry) < fromOffset) continue
    batches++
    const topic = index.topicAt(entry)
    if (topic !== CONTROL_TOPIC && topics.size < TOPICS_MAX) topics.add(index.names.at(topic))
  }
  return { ...range, batches, topics: [...topics] }
}

/** Holds every batch of a segment against the entry that its index has for it. */
class IndexAgreement {
  readonly #index: SegmentIndex | undefined
  #entry = 0
  #firstOfTime = 0
  #timeMs = -1
  #agrees = true

  constructor(index: SegmentIndex | undefined) {
    this.#index = index
  }

  /** Whether all that was checked agreed, and the index has no more. */
  get isComplete(): boolean {
    return this.#agrees && this.#entry === this.#index?.count
  }

  /** The next batch. */
  check(batch: Uint8Array, position: number): void {
    const index = this.#index
    const entry = this.#entry++
    if (index === undefined || !this.#agrees) return
    if (appendTimeMsOf(batch) > this.#timeMs) {
      this.#timeMs = appendTimeMsOf(batch)
      this.#firstOfTime = entry
    }
    this.#agrees =
      entry < index.count &&
      index.offsetAt(entry) === baseOffsetOf(batch) &&
      index.positionAt(entry) === position &&
      index.names.at(index.topicAt(entry)) === (isControl(batch) ? '' : topicOf(batch)) &&
      index.entryForTime(this.#timeMs) === this.#firstOfTime
  }
}
