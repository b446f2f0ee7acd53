import type { Offset } from '@gomq/protocol'
import {
  CLEANED_ALWAYS_SHARE,
  CLEANED_BELOW_SHARE,
  MERGED_FACTOR,
  MERGED_SMALL_SHARE,
  SEGMENT_SPAN_MAX,
} from '../limits.js'
import type { SegmentView } from '../segment.js'

/** A segment that may be cleaned, and what lives in it. */
export interface WeighedSegment {
  readonly segment: SegmentView
  /** Bytes of its batches, without the head of a cleaned one. */
  readonly batchBytes: number
  /** Bytes of the batches that live: never less than the truth. */
  readonly liveBytes: number
  /** Whether `liveBytes` is by the rules of this turn. */
  readonly isFresh: boolean
  /** Left alone, and a wall for its neighbours. */
  readonly isDamaged?: boolean
}

/** What a turn is going to do. */
export interface CleaningPlan {
  /** Where the log may begin; undefined: where it does. */
  readonly dropTo: Offset | undefined
  readonly dropped: readonly SegmentView[]
  /** Neighbours that become one segment each, those that free most first. */
  readonly groups: readonly (readonly SegmentView[])[]
}

/**
 * Plans a turn.
 *
 * - Leading segments in which nothing lives are dropped; nothing is written for that.
 * - A segment of which less than half lives is rewritten as long as the budget lasts, one of which less than 5 % lives always.
 * - Neighbours go into the same segment as long as that has room: those that are rewritten anyway, and those that are small beside what is
 *   written, so that a log of which little lives has few files and each byte is merged a few times at most.
 *
 * @param segments      that may be cleaned, oldest first, from the log's start
 * @param budgetBytes   bytes that may be written
 * @param segmentBytes  bytes that a segment has at most
 */
export function planCleaning(
  segments: readonly WeighedSegment[],
  budgetBytes: number,
  segmentBytes: number,
): CleaningPlan {
  let first = 0
  while (first < segments.length && segments[first]!.isFresh && segments[first]!.liveBytes === 0) first++
  const dropped = segments.slice(0, first).map(({ segment }) => segment)
  const groups = groupsOf(segments.slice(first), segmentBytes).sort((a, b) => shareOf(a) - shareOf(b))
  let left = budgetBytes
  const chosen: (readonly SegmentView[])[] = []
  for (const group of groups) {
    const bytes = liveBytesOf(group)
    if (bytes > left && !group.some(isAlwaysCleaned)) continue
    left -= bytes
    chosen.push(group.map(({ segment }) => segment))
  }
  return { dropTo: dropped.at(-1)?.endOffset, dropped, groups: chosen }
}

function groupsOf(segments: readonly WeighedSegment[], segmentBytes: number): WeighedSegment[][] {
  const groups: WeighedSegment[][] = []
  let free = 0
  for (let at = 0; at < segments.length; at++) {
    if (!isCandidate(segments[at]!)) continue
    let from = at
    let to = at + 1
    const joins = (next: WeighedSegment | undefined, group: WeighedSegment[]) =>
      next !== undefined && mayJoin(next, group, segmentBytes)
    for (;;) {
      const group = segments.slice(from, to)
      if (joins(segments[to], group)) to++
      else if (from > free && joins(segments[from - 1], group)) from--
      else break
    }
    groups.push(segments.slice(from, to))
    free = to
    at = to - 1
  }
  return groups
}

function mayJoin(next: WeighedSegment, group: readonly WeighedSegment[], segmentBytes: number): boolean {
  const live = liveBytesOf(group)
  if (next.isDamaged) return false
  if (next.liveBytes + live > segmentBytes || !fitTogether([next, ...group])) return false
  return isCandidate(next) || next.liveBytes <= Math.max(MERGED_FACTOR * live, MERGED_SMALL_SHARE * segmentBytes)
}

/** Whether offsets and times of the segments have room in the columns of one index. */
function fitTogether(group: readonly WeighedSegment[]): boolean {
  const views = group.map(({ segment }) => segment)
  const offsets = Math.max(...views.map((view) => view.endOffset)) - Math.min(...views.map((view) => view.baseOffset))
  const times = views.filter((view) => view.lastTimeMs > 0)
  const timesMs =
    times.length === 0
      ? 0
      : Math.max(...times.map((view) => view.lastTimeMs)) - Math.min(...times.map((view) => view.firstTimeMs))
  return offsets <= SEGMENT_SPAN_MAX && timesMs <= SEGMENT_SPAN_MAX
}

function isCandidate({ batchBytes, liveBytes }: WeighedSegment): boolean {
  return liveBytes < CLEANED_BELOW_SHARE * batchBytes
}

function isAlwaysCleaned({ batchBytes, liveBytes }: WeighedSegment): boolean {
  return liveBytes < CLEANED_ALWAYS_SHARE * batchBytes
}

function liveBytesOf(group: readonly WeighedSegment[]): number {
  return group.reduce((sum, { liveBytes }) => sum + liveBytes, 0)
}

function shareOf(group: readonly WeighedSegment[]): number {
  return (
    liveBytesOf(group) /
    Math.max(
      1,
      group.reduce((sum, { batchBytes }) => sum + batchBytes, 0),
    )
  )
}
