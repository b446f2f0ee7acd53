import { baseOffsetOf, nextOffsetOf, type Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { type CleanedSegment, CleanedSegmentWriter } from '../../src/cleaned-segment-writer.js'
import type { FileSystem } from '../../src/file-system.js'
import { joinedEpochStarts } from '../../src/format/epoch-start.js'
import type { Log } from '../../src/log.js'
import type { SegmentView } from '../../src/segment.js'

/** Writes a cleaned segment for neighbours, oldest first, with the batches that `keeps` answers for. The log does not use it yet. */
export async function writeCleaned(
  fs: FileSystem,
  log: Log,
  views: readonly SegmentView[],
  keeps: (batch: Uint8Array) => boolean,
  folder = 'data/log',
): Promise<{ cleaned: CleanedSegment; writer: CleanedSegmentWriter }> {
  const { baseOffset } = views[0]!
  const { endOffset } = views.at(-1)!
  const batches: Uint8Array[] = []
  for (let at = baseOffset; at < endOffset; ) {
    const read = await log.read({ from: at, to: endOffset, bytesMax: 1_000_000 })
    batches.push(...read.batches)
    at = read.nextOffset
  }
  const range = {
    baseOffset,
    endOffset,
    generation: 1 + Math.max(...views.map((view) => view.generation)),
    epochStarts: joinedEpochStarts(views.map((view) => view.epochStarts)),
  }
  const writer = await CleanedSegmentWriter.create(fs, folder, range, crc32)
  for (const batch of batches) if (keeps(batch)) await writer.add(batch)
  return { cleaned: await writer.finish(), writer }
}

/** Replaces the sealed segments from number `first` to before `end` by one that keeps what `keeps` answers for. */
export async function cleanSegments(
  fs: FileSystem,
  log: Log,
  first: number,
  end: number,
  keeps: (batch: Uint8Array) => boolean,
): Promise<void> {
  const { cleaned } = await writeCleaned(fs, log, log.sealedSegments.slice(first, end), keeps)
  await log.replaceSegments(cleaned)
}

/** Keeps the batches with these base offsets. */
export function keepOnly(...bases: number[]): (batch: Uint8Array) => boolean {
  return (batch) => bases.includes(baseOffsetOf(batch))
}

/** What every read is to be, from any offset to any other: the dumb twin of reading. */
export function batchesBetween(batches: readonly Uint8Array[], from: number, to: Offset): number[] {
  return batches.filter((batch) => nextOffsetOf(batch) > from && baseOffsetOf(batch) < to).map(baseOffsetOf)
}
