import { type Epoch, GomqError, type Offset } from '@gomq/protocol'
import type { Checkpoint } from '../checkpoint.js'
import type { Finding } from './finding.js'
import type { SegmentInspection } from './segment-inspection.js'
import type { Inspection } from './verification.js'

/** One step of a repair. @internal */
export type RepairStep =
  /** Writes what is intact into a cleaned segment that covers everything up to `endOffset`; `newActive`: the log goes on in a new segment there. */
  | {
      readonly kind: 'rewrite'
      readonly segment: SegmentInspection
      readonly endOffset: Offset
      readonly newActive: boolean
    }
  | { readonly kind: 'newActive'; readonly offset: Offset }
  | { readonly kind: 'rebuildIndex'; readonly segment: SegmentInspection }
  /** That of the active segment, which a start does without. */
  | { readonly kind: 'removeIndex'; readonly segment: SegmentInspection }
  | { readonly kind: 'removeSnapshot'; readonly name: string; readonly reason: string }

/** What a repair would do and what is lost, or what it did. */
export interface RepairPlan {
  /** What is done, in order, in words; empty if there is nothing to repair. */
  readonly steps: readonly string[]
  /** Damage as the check found it; what cannot be had back. */
  readonly losses: readonly Finding[]
  /** What follows from it, in words. */
  readonly consequences: readonly string[]
  /** Whether the log gets a new identity, since it lacks what others may believe that it has. */
  readonly isNewIdentity: boolean
  /** The log as it is afterwards. */
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
}

/** A plan and how it is done. @internal */
export interface DecidedRepair extends RepairPlan {
  readonly actions: readonly RepairStep[]
  /** What the checkpoint is to say, beside its new identity; undefined if it stays. */
  readonly checkpoint: Omit<Checkpoint, 'storeId'> | undefined
  /** Files that are copied aside before anything changes, by their names below the directory. */
  readonly aside: readonly string[]
}

/**
 * Decides how a data directory is repaired. Every intact batch stays at its offset; offsets that are lost become a gap, so that the log never
 * gets shorter and no offset is given twice.
 *
 *     before:  0.log [0..99] xx [140..199]    200.log (active) [200..249] xx      checkpoint: synced up to 280
 *     after:   0.1.log [0..99] gap [140..199]    200.1.log [200..249] gap    280.log (active)
 *
 * @throws GomqError CORRUPT_LOG  it cannot be decided; the message says what to do
 * @internal
 */
export function decideRepair(directory: string, inspection: Inspection): DecidedRepair {
  const { log, checkpoint, isCheckpointDamaged, inspectedSnapshots, findings } = inspection
  refuseWhatCannotBeDecided(directory, inspection)
  const last = log.segments.at(-1)!
  const isEndDamaged = log.isEndLost || last.damages.some(({ toOffset }) => toOffset === undefined)
  const logEndOffset = isEndDamaged ? endOf(inspection) : log.logEndOffset
  const actions: RepairStep[] = []
  for (const segment of log.segments) {
    const isLast = segment === last
    const gapTo = log.gaps.find(({ after }) => after === segment)?.toOffset
    const endOffset = isLast ? logEndOffset : (gapTo ?? segment.endOffset)
    const isShort = gapTo !== undefined || (isLast && isEndDamaged && logEndOffset > log.logEndOffset)
    const newActive = isLast && (segment.isActive || log.isActiveLost)
    const isDamaged = segment.damages.length > 0 || segment.isHeadDamaged || segment.isPaddingDamaged
    if ((isDamaged || isShort) && endOffset > segment.file.baseOffset)
      actions.push({ kind: 'rewrite', segment, endOffset, newActive })
    else if (isLast && log.isActiveLost) actions.push({ kind: 'newActive', offset: logEndOffset })
    else if (segment.isActive) {
      if (segment.index === 'damaged' || segment.index === 'stale') actions.push({ kind: 'removeIndex', segment })
    } else if (segment.index !== 'intact') actions.push({ kind: 'rebuildIndex', segment })
  }
  const { logStartOffset } = log
  const neededFrom = Math.max(logStartOffset, checkpoint?.snapshotNeededFrom ?? 0, lostSnapshotNeed(inspection))
  let hasState = neededFrom === 0
  for (const { file, endOffset, reason } of inspectedSnapshots) {
    const fits = endOffset !== undefined && endOffset <= logEndOffset && file.beginOffset >= neededFrom
    if (fits) hasState = true
    else actions.push({ kind: 'removeSnapshot', name: file.name, reason: reason ?? 'the log does not fit it' })
  }
  if (!hasState)
    throw new GomqError(
      'CORRUPT_LOG',
      `the log in ${directory} cannot be repaired: no snapshot holds the state at offset ${neededFrom} or later, and what the log holds below is not enough to make it; restore a backup with gomqctl log restore`,
    )
  const losses = findings.filter(({ severity }) => severity === 'damage')
  const isNewIdentity = losses.length > 0
  return {
    actions,
    steps: [
      ...(isNewIdentity ? ['give the log a new identity, in a new checkpoint'] : []),
      ...actions.map((step) => textOf(step)),
    ],
    losses,
    consequences: consequencesOf(inspection, losses),
    isNewIdentity,
    logStartOffset,
    logEndOffset,
    checkpoint: isNewIdentity
      ? {
          syncedOffset: isCheckpointDamaged ? logEndOffset : (checkpoint?.syncedOffset ?? (0 as Offset)),
          epoch: checkpoint?.epoch ?? ((last.epochStarts.at(-1)?.epoch ?? 0) as Epoch),
          logStartOffset,
          snapshotNeededFrom: Math.max(checkpoint?.snapshotNeededFrom ?? 0, lostSnapshotNeed(inspection)) as Offset,
        }
      : undefined,
    aside: [
      ...(isCheckpointDamaged ? ['checkpoint'] : []),
      ...actions.flatMap((step) =>
        step.kind === 'rewrite' ? [step.segment.file.name] : step.kind === 'removeSnapshot' ? [step.name] : [],
      ),
    ],
  }
}

/** A checkpoint that is damaged no longer says how far control records were cleaned away: as far as cleaned segments reach, at most. */
function lostSnapshotNeed({ isCheckpointDamaged, log }: Inspection): number {
  if (!isCheckpointDamaged) return 0
  return log.segments.findLast(({ file }) => file.generation > 0)?.endOffset ?? 0
}

/** Where a log whose end is lost goes on: behind everything that it is known to have had. */
function endOf({ log, checkpoint, inspectedSnapshots }: Inspection): Offset {
  const ends = inspectedSnapshots.map(({ endOffset }) => endOffset ?? 0)
  return Math.max(log.logEndOffset, checkpoint?.syncedOffset ?? 0, ...ends) as Offset
}

function refuseWhatCannotBeDecided(directory: string, inspection: Inspection): void {
  const { log, checkpoint, isCheckpointDamaged, isFilling } = inspection
  const refuse = (why: string): never => {
    throw new GomqError('CORRUPT_LOG', `the log in ${directory} cannot be repaired: ${why}`)
  }
  if (isFilling || checkpoint?.isEmptying === true)
    refuse('it is being filled by the others of its cluster; empty the data directory, and it is filled anew')
  if (log.segments.length === 0 && (isCheckpointDamaged || checkpoint!.syncedOffset > checkpoint!.logStartOffset))
    refuse('its segments are gone; restore a backup with gomqctl log restore')
  const [overlap] = log.overlaps
  if (overlap !== undefined)
    refuse(
      `${overlap.name} has offsets that another segment has, too, and nothing says which is right; move the one away that does not belong here, and run gomqctl log verify`,
    )
  const disordered = log.segments.find(({ disorders }) => disorders.length > 0)
  if (disordered !== undefined)
    refuse(
      `the batch at byte ${disordered.disorders[0]!.position} of ${disordered.file.name} is intact and out of order, as in a file of another log; restore a backup with gomqctl log restore`,
    )
}

function textOf(step: RepairStep): string {
  switch (step.kind) {
    case 'rewrite': {
      const { segment, endOffset, newActive } = step
      const { file, batches } = segment
      const next = newActive ? `; the log goes on in a new segment at offset ${endOffset}` : ''
      return `write the ${batches} intact batches of ${file.name} into a new file for offsets ${file.baseOffset} to ${endOffset}${next}`
    }
    case 'newActive':
      return `begin a new segment at offset ${step.offset}`
    case 'rebuildIndex':
      return `make the index of ${step.segment.file.name} anew`
    case 'removeIndex':
      return `remove the index of ${step.segment.file.name}`
    case 'removeSnapshot':
      return `put ${step.name} aside: ${step.reason}`
  }
}

function consequencesOf({ isCheckpointDamaged, log }: Inspection, losses: readonly Finding[]): string[] {
  if (losses.length === 0) return []
  const consequences = ['a new identity: in a cluster this broker copies the log anew from the others']
  if (isCheckpointDamaged)
    consequences.push('the checkpoint is gone, so that nobody can tell whether the end of the log was complete')
  if (losses.some(({ offsets }) => offsets !== undefined))
    consequences.push(
      'messages at the lost offsets are never delivered; acknowledgements, subscriptions and sessions that were recorded there are forgotten, so that messages may come again',
    )
  if (log.isEndLost) consequences.push('offsets that may have been given out are not given out again')
  return consequences
}
