import type { Crc32 } from '@gomq/protocol'
import { type FileSystem, readFile } from '../file-system.js'
import { SegmentIndex } from '../format/segment-index.js'
import { FileWindow } from './file-window.js'
import type { SegmentPlace } from './segment-places.js'
import type { SegmentWalk } from './segment-walk.js'

/** The index of a segment as it is stored: its file, and what is in it if it is intact and this segment's. @internal */
export interface StoredIndex {
  /** Undefined for one that is damaged. */
  readonly index: SegmentIndex | undefined
  readonly isOurs: boolean
}

/** Opens a segment to walk it; the caller closes the file of its window. @internal */
export async function openWalk(
  fs: FileSystem,
  crc32: Crc32,
  place: SegmentPlace,
): Promise<SegmentWalk & { readonly stored: StoredIndex | undefined }> {
  const { file: segment, head, headBytes, baseOffset, endOffset, mayHaveGaps, syncedOffset } = place
  const bytes = await readFile(fs, segment.indexPath)
  const index = bytes && decodedIndex(bytes, crc32)
  const file = await fs.open(segment.path, 'read')
  const window = new FileWindow(file, await file.sizeBytes())
  const isOurs =
    index !== undefined &&
    index.baseOffset === baseOffset &&
    index.generation === segment.generation &&
    (index.endOffset === endOffset || index.bytes === window.fileBytes)
  return {
    window,
    // A damaged head does not say where the batches begin; the index does.
    start: mayHaveGaps && head === undefined && isOurs ? index.positionAt(0) : headBytes,
    baseOffset,
    endOffset,
    mayHaveGaps,
    // That of the active segment is there after a close in order only: what its bytes say, and the checkpoint, must be enough.
    index: isOurs && !place.isActive ? index : undefined,
    syncedOffset,
    crc32,
    stored: bytes && { index, isOurs },
  }
}

function decodedIndex(bytes: Uint8Array, crc32: Crc32): SegmentIndex | undefined {
  try {
    return SegmentIndex.decode(bytes, crc32)
  } catch {
    return undefined
  }
}
