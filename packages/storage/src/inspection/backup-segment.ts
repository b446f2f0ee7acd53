import { baseOffsetOf, type Crc32, type Epoch, epochOf, nextOffsetOf, type Offset } from '@gomq/protocol'
import type { FileHandle, FileSystem } from '../file-system.js'
import { corruptAt } from '../segment.js'
import { wasSyncedBehind } from '../segment-scan.js'
import { createFile, type FileSum } from './file-copy.js'
import { FileWindow } from './file-window.js'
import type { SegmentPlace } from './segment-places.js'
import { intactBatchAt } from './segment-walk.js'

/** A segment in a backup. @internal */
export interface CopiedSegment {
  /** Below the backup's directory. */
  readonly name: string
  readonly baseOffset: Offset
  readonly endOffset: Offset
  /** Greatest epoch of its batches; 0 without any. */
  readonly epoch: Epoch
  readonly sum: FileSum
}

/**
 * Copies the batches of a segment, each of them verified; of the active one those that are whole now, up to its present size.
 *
 * @param syncedOffset  what the checkpoint knew before: the copy holds at least this much of it
 * @throws GomqError CORRUPT_LOG  a batch is damaged
 * @internal
 */
export async function copySegment(
  options: { readonly fs: FileSystem; readonly target: string; readonly crc32: Crc32 },
  place: SegmentPlace,
  syncedOffset: Offset,
  onBytes: (bytes: number) => void,
): Promise<CopiedSegment> {
  const { fs, target, crc32 } = options
  const { path, name } = place.file
  const file = await fs.open(path, 'read')
  try {
    const source = new GrowingSegment(file, await file.sizeBytes(), place, syncedOffset, crc32)
    const sum = await createFile(fs, `${target}/${name}`, crc32, async (writer) => {
      if (place.headBytes > 0) await writer.add((await source.head()).slice())
      for (let batch = await source.next(); batch !== undefined; batch = await source.next()) {
        await writer.add(batch)
        onBytes(batch.byteLength)
      }
    })
    const { endOffset, epoch } = source
    return { name, baseOffset: place.baseOffset, endOffset: place.endOffset ?? endOffset, epoch, sum }
  } finally {
    await file.close()
  }
}

/** Reads the batches of a segment to which somebody may append at this moment. */
class GrowingSegment {
  readonly #window: FileWindow
  readonly #place: SegmentPlace
  readonly #syncedOffset: Offset
  readonly #crc32: Crc32
  #at: number
  #count = 0
  endOffset: Offset
  epoch: Epoch = 0 as Epoch

  constructor(file: FileHandle, fileBytes: number, place: SegmentPlace, syncedOffset: Offset, crc32: Crc32) {
    this.#window = new FileWindow(file, fileBytes)
    this.#place = place
    this.#syncedOffset = syncedOffset
    this.#crc32 = crc32
    this.#at = place.headBytes
    this.endOffset = place.baseOffset
  }

  /** What stands before the first batch. */
  async head(): Promise<Uint8Array> {
    return (await this.#window.view(0, this.#place.headBytes)).subarray(0, this.#place.headBytes)
  }

  /** The next whole batch; undefined at the end of what is there. @throws GomqError CORRUPT_LOG */
  async next(): Promise<Uint8Array | undefined> {
    const { endOffset, file, head } = this.#place
    if (this.#at >= this.#window.fileBytes) {
      const isShort =
        head === undefined ? this.endOffset !== endOffset : this.#count !== head.batches || this.#at !== head.bytes
      if (endOffset !== undefined && isShort) throw corruptAt(file.path, this.#at, this.endOffset)
      return undefined
    }
    const batch = (await this.#follower()) ?? (await this.#followerNow())
    if (batch === undefined) return undefined
    this.#at += batch.byteLength
    this.#count++
    this.endOffset = nextOffsetOf(batch)
    this.epoch = Math.max(this.epoch, epochOf(batch)) as Epoch
    return batch
  }

  async #follower(): Promise<Uint8Array | undefined> {
    const batch = await intactBatchAt({ window: this.#window, crc32: this.#crc32 }, this.#at)
    if (batch === undefined) return undefined
    const base = baseOffsetOf(batch)
    return (this.#place.mayHaveGaps ? base >= this.endOffset : base === this.endOffset) ? batch : undefined
  }

  /**
   * What is not whole may be being written, or was when it was read. If something proves that it was complete, it is read once more, since
   * it was complete before the proof was; then it is damaged.
   */
  async #followerNow(): Promise<Uint8Array | undefined> {
    const isProved =
      this.#place.endOffset !== undefined ||
      this.endOffset < this.#syncedOffset ||
      (await wasSyncedBehind(this.#window.file, this.#at, this.endOffset, this.#crc32))
    this.#window.forget()
    const batch = await this.#follower()
    if (batch === undefined && isProved) throw corruptAt(this.#place.file.path, this.#at, this.endOffset)
    return batch
  }
}
