import { baseOffsetOf, type Crc32, isBatchIntact, nextOffsetOf, type Offset } from '@gomq/protocol'
import type { Checkpoint } from './checkpoint.js'
import { type FileHandle, type FileSystem, readFile } from './file-system.js'
import { SegmentIndex } from './format/segment-index.js'
import { writeIndex } from './index-file.js'
import { indexName } from './segment.js'

/**
 * Writes the index of the active segment when the log is closed, so that the next start need not read the segment. All of it is on disk, and
 * so is the checkpoint that says so. When it fails, nothing is lost: the next start reads the segment.
 */
export async function writeActiveIndex(
  fs: FileSystem,
  folder: string,
  index: SegmentIndex,
  crc32: Crc32,
): Promise<void> {
  if (index.count > 0) await writeIndex(fs, folder, index, crc32).catch(() => undefined)
}

/**
 * The index of the active segment, if the log was closed in order and nothing has been written since; undefined if the segment must be read.
 * The caller removes the file, for good, before anything is appended: after a crash there is none.
 *
 * It tells nothing of the batches' bytes, as with a sealed segment: each is verified when it is read. A file that is shorter or longer than it
 * was, and a checkpoint that knows another end, mean that it is not believed.
 *
 * @param file  the segment
 */
export async function readActiveIndex(
  fs: FileSystem,
  folder: string,
  file: FileHandle,
  baseOffset: Offset,
  checkpoint: Checkpoint | undefined,
  crc32: Crc32,
): Promise<SegmentIndex | undefined> {
  const bytes = await readFile(fs, `${folder}/${indexName(baseOffset)}`)
  const index = bytes && SegmentIndex.decode(bytes, crc32)
  const isOfThisEnd =
    index !== undefined &&
    index.count > 0 &&
    index.generation === 0 &&
    index.baseOffset === baseOffset &&
    index.endOffset === checkpoint?.syncedOffset &&
    index.bytes === (await file.sizeBytes())
  if (!isOfThisEnd || !(await isLastBatchOf(index, file, crc32))) return undefined
  index.prepareToAdd()
  return index
}

/** Whether the segment ends with the batch that the index says. */
async function isLastBatchOf(index: SegmentIndex, file: FileHandle, crc32: Crc32): Promise<boolean> {
  const last = index.count - 1
  const batch = new Uint8Array(index.bytes - index.positionAt(last))
  await file.read(batch, index.positionAt(last))
  return (
    isBatchIntact(batch, crc32) &&
    baseOffsetOf(batch) === index.offsetAt(last) &&
    nextOffsetOf(batch) === index.endOffset
  )
}
