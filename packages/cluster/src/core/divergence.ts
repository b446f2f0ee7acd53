import type { Offset } from '@gomq/protocol'
import type { EpochStart } from '../replica-log.js'

/** What two copies of a log compare. */
export interface History {
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  /** Oldest first. */
  readonly epochStarts: readonly EpochStart[]
}

/** What a member does before it follows: cut its log, or begin anew at an offset. */
export interface Alignment {
  readonly kind: 'cut' | 'reset'
  readonly offset: Offset
}

/**
 * Where two histories part (R13, KIP-101, KIP-279): the smaller of both ends of the greatest epoch that both know. An epoch that only one of
 * them knows is divergent, and so is everything behind it. Undefined if they have no epoch in common.
 *
 *     leader: 1 from 0, 2 from 40, 5 from 70; end 90
 *     member: 1 from 0, 2 from 40, 3 from 60; end 80     -> epoch 2, ends 70 and 60 -> 60
 */
export function partingPoint(leader: History, member: History): Offset | undefined {
  for (let i = leader.epochStarts.length - 1; i >= 0; i--) {
    const { epoch } = leader.epochStarts[i]!
    const j = member.epochStarts.findLastIndex((start) => start.epoch === epoch)
    if (j === -1) continue
    return Math.min(endOf(leader, i), endOf(member, j)) as Offset
  }
  return undefined
}

/**
 * How a member's log comes to be a prefix of the leader's.
 *
 * Copies that begin at 0 agree at least there. A copy that was in sync has all that was committed, hence all that lies below the leader's start:
 * when nothing above that is common (the leader's retention has removed the rest), it is cut there and never emptied. Any other copy with
 * which nothing can be compared, or which ends below what the leader still has, begins anew at the leader's start.
 */
export function alignmentOf(leader: History, member: History, isInSync: boolean): Alignment {
  const start = leader.logStartOffset
  const common = partingPoint(leader, member)
  if (common !== undefined && common >= start && common >= member.logStartOffset) return { kind: 'cut', offset: common }
  if (start === 0 && member.logStartOffset === 0) return { kind: 'cut', offset: (common ?? 0) as Offset }
  if (isInSync && member.logStartOffset <= start && member.logEndOffset >= start) return { kind: 'cut', offset: start }
  return { kind: 'reset', offset: start }
}

function endOf(history: History, i: number): Offset {
  return history.epochStarts[i + 1]?.startOffset ?? history.logEndOffset
}
