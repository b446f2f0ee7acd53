import { isControl, type Offset, withHoles } from '@gomq/protocol'
import { type CleanedSegment, CleanedSegmentWriter } from '../cleaned-segment-writer.js'
import { joinedEpochStarts } from '../format/epoch-start.js'
import type { SegmentView } from '../segment.js'
import type { CompactionPass } from './compaction.js'
import { factsOf, isDeadBatch } from './liveness.js'
import type { RuleBook } from './rules.js'
import { SegmentWalk, type WalkContext } from './segment-walk.js'

/** Records that live in the batches of which some do not, by base offset. */
type Living = ReadonlyMap<Offset, ReadonlySet<number>>

/**
 * Writes what lives of neighbouring segments into one cleaned segment, in its place on the disk but not yet in the log's. After a rejection
 * nothing is left of it.
 *
 * @param segments  whole and below `cleanableTo`, without gaps, oldest first
 * @throws GomqError CORRUPT_LOG  a batch is damaged: it must not be lost by being left out, nor copied as if it were whole
 * @throws Error                  of the operating system
 */
export function rewriteSegments(
  context: WalkContext,
  segments: readonly SegmentView[],
  book: RuleBook,
): Promise<CleanedSegment> {
  return write(context, segments, book, new Map())
}

/**
 * Compacts one segment in a pass; undefined if there is nothing to remove, and nothing was written. To be called for each segment in order,
 * since the pass must see every batch.
 *
 * @throws as {@link rewriteSegments}
 */
export async function compactSegment(
  context: WalkContext,
  segment: SegmentView,
  book: RuleBook,
  pass: CompactionPass,
): Promise<CleanedSegment | undefined> {
  const living = new Map<Offset, ReadonlySet<number>>()
  let changes = false
  await SegmentWalk.over(context, segment, async (walk) => {
    for (let head = await walk.head(); head !== undefined; walk.advance(), head = await walk.head()) {
      const facts = factsOf(head, book)
      if (!book.isCompacted(facts.rule)) continue
      if (isDeadBatch(facts, book)) changes = true
      else {
        const records = pass.livingIn(await walk.batch())
        if (records === undefined) continue
        changes = true
        living.set(facts.baseOffset, records)
      }
    }
  })
  return changes ? write(context, [segment], book, living) : undefined
}

async function write(
  context: WalkContext,
  segments: readonly SegmentView[],
  book: RuleBook,
  living: Living,
): Promise<CleanedSegment> {
  const { fs, crc32 } = context
  const { path, baseOffset } = segments[0]!
  const range = {
    baseOffset,
    endOffset: segments.at(-1)!.endOffset,
    generation: 1 + Math.max(...segments.map(({ generation }) => generation)),
    epochStarts: joinedEpochStarts(segments.map(({ epochStarts }) => epochStarts)),
  }
  const writer = await CleanedSegmentWriter.create(fs, path.slice(0, path.lastIndexOf('/')), range, crc32)
  try {
    for (const segment of segments) {
      await SegmentWalk.over(context, segment, async (walk) => {
        for (let head = await walk.head(); head !== undefined; walk.advance(), head = await walk.head()) {
          const facts = factsOf(head, book)
          if (isDeadBatch(facts, book)) continue
          const records = isControl(head) ? undefined : living.get(facts.baseOffset)
          if (records?.size === 0) continue
          const batch = await walk.batch()
          await writer.add(records === undefined ? batch : withHoles(batch, (index) => records.has(index), crc32))
        }
      })
    }
    return await writer.finish()
  } catch (error) {
    // The first error is the one to report; what is left has a name that the next start clears.
    await writer.abandon().catch(() => undefined)
    throw error
  }
}
