import { baseOffsetOf, type Crc32, nextOffsetOf, type Offset } from '@gomq/protocol'
import { type Checkpoint, readCheckpoint } from '../checkpoint.js'
import type { FileSystem } from '../file-system.js'
import { listDataFiles, unlessGone } from './data-files.js'
import type { OnProgress } from './finding.js'
import { openWalk } from './open-walk.js'
import { placeSegments, type SegmentPlace } from './segment-places.js'
import { type SegmentWalk, walkSegment } from './segment-walk.js'
import { checkIsDataDirectory } from './verification.js'

/** What a dump of the log meets, in the order of the log. */
export type DumpedPiece =
  | {
      readonly kind: 'batch'
      /** The segment, below the data directory, and the batch's first byte in it. */
      readonly file: string
      readonly position: number
      /** Verified; shared memory, which nobody may write to. */
      readonly batch: Uint8Array
    }
  | {
      readonly kind: 'damage'
      readonly file: string
      readonly bytes: readonly [from: number, to: number]
      /** Offsets that cannot be read, half-open; the end is null where it is not known. */
      readonly offsets: readonly [from: Offset, to: Offset | null]
    }

/** What is dumped. */
export interface DumpOptions {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
  /** First offset wanted; the batch that holds it comes first. The log's start by default. */
  readonly from?: Offset
  /** Offset to stop before: the batch that holds it does not come unless it begins below. The log's end by default. */
  readonly to?: Offset
  /** Reads without the lock, beside a broker that works. What it writes at this moment may come or not. */
  readonly isLive?: boolean
  readonly onProgress?: OnProgress
}

/**
 * Every batch of a log, committed or not, straight from the segments, with what is damaged between them. Memory is bounded for a log of any
 * size.
 *
 * @throws GomqError INVALID_ARGUMENT  there is no data directory
 * @throws GomqError DATA_DIR_LOCKED   a broker uses it, and `isLive` is not set
 * @throws GomqError CORRUPT_LOG       the checkpoint is damaged
 */
export async function* dumpLog(options: DumpOptions): AsyncGenerator<DumpedPiece, void> {
  const { fs, directory, crc32, isLive = false } = options
  await checkIsDataDirectory(fs, directory)
  const lock = isLive ? undefined : await fs.lock(directory)
  try {
    const checkpoint = await readCheckpoint(fs, directory, crc32)
    let from = options.from ?? (0 as Offset)
    for (;;) {
      const reached = yield* dumpListed(options, checkpoint, from)
      if (reached === undefined) return
      from = reached
    }
  } finally {
    await lock?.release()
  }
}

/** Dumps the segments that are there now; returns where to go on when one of them was replaced meanwhile. */
async function* dumpListed(
  options: DumpOptions,
  checkpoint: Checkpoint | undefined,
  from: Offset,
): AsyncGenerator<DumpedPiece, Offset | undefined> {
  const { fs, directory, crc32, to = Number.POSITIVE_INFINITY, isLive = false, onProgress } = options
  const files = await listDataFiles(fs, directory)
  const { places } = await placeSegments({ fs, files, checkpoint, crc32 })
  const wanted = places.filter(
    ({ baseOffset, endOffset = Number.POSITIVE_INFINITY }) => baseOffset < to && endOffset > from,
  )
  let reached = from
  for (const [i, place] of wanted.entries()) {
    const walk = await unlessGone(() => openWalkFrom(fs, crc32, place, reached))
    if (walk === undefined) {
      if (isLive) return reached
      continue
    }
    try {
      for await (const piece of walkSegment(walk)) {
        if (piece.kind === 'batch') {
          if (baseOffsetOf(piece.batch) >= to) return undefined
          if (nextOffsetOf(piece.batch) <= from) continue
          reached = nextOffsetOf(piece.batch)
          yield { kind: 'batch', file: place.file.name, position: piece.position, batch: piece.batch }
        } else if (piece.kind === 'damage') {
          const { position, endPosition, fromOffset, toOffset } = piece
          if (fromOffset >= to || (toOffset ?? Number.POSITIVE_INFINITY) <= from) continue
          // Beside a broker it may be what is being written.
          if (isLive && place.isActive && fromOffset >= walk.syncedOffset) return undefined
          yield {
            kind: 'damage',
            file: place.file.name,
            bytes: [position, endPosition],
            offsets: [fromOffset, toOffset ?? null],
          }
        }
      }
    } finally {
      await walk.window.file.close()
    }
    onProgress?.(i + 1, wanted.length)
  }
  return undefined
}

/** A segment from the batch on that holds `from`, if its index knows where that is. */
async function openWalkFrom(fs: FileSystem, crc32: Crc32, place: SegmentPlace, from: Offset): Promise<SegmentWalk> {
  const walk = await openWalk(fs, crc32, place)
  const { index } = walk
  if (index === undefined || from <= place.baseOffset || index.endOffset !== place.endOffset) return walk
  const entry = index.entryFor(from)
  return { ...walk, start: index.positionAt(entry), baseOffset: index.offsetAt(entry) }
}
