import { baseOffsetOf, invariant, type Offset } from '@gomq/protocol'
import type { EpochStart } from '../format/epoch-start.js'
import type { Log } from '../log.js'

/** A stretch of the log as it is sent to a member. */
export interface MemberPiece {
  /** Whole batches in order; shared memory, which nobody may write to. */
  readonly batches: readonly Uint8Array[]
  /** Where the next piece begins. */
  readonly nextOffset: Offset
  /**
   * Set where the log was cleaned: offsets may be missing in `[from, endOffset)`, and a member takes all of it as one cleaned segment with these
   * epochs. The next pieces up to `endOffset` belong to it.
   */
  readonly cleaned?: { readonly endOffset: Offset; readonly epochStarts: readonly EpochStart[] }
}

/**
 * Reads whole batches from `from` up to what is written, synced or not, committed or not, control batches too; at least one, unless only gaps follow up to the
 * end of a cleaned segment. New ones come from memory, others from disk and verified.
 *
 *     0.1.log [0..9][40..49] gap   100.log [100..109]      log start 0, end 110
 *     from 10  -> [40..49], next 100, cleaned to 100       from 100 -> [100..109], next 110
 *
 * Segments may be cleaned, or merged, between two pieces: the same `from` may then be in a cleaned segment, or in one that ends elsewhere. Every
 * batch that lives is in both, and none reaches over the end of a cleaned segment as it was answered before, so that a member that goes on with
 * the end that it knows stops there.
 *
 * @param from      where a batch begins or began: the end of a log with the same history
 * @param bytesMax  soft bound; a first batch above it comes alone
 * @throws GomqError OFFSET_OUT_OF_RANGE  it is below the log's start: the member has to begin anew; or above what is written
 * @throws GomqError CORRUPT_BATCH        a stored batch is damaged
 */
export async function readForMember(log: Log, from: Offset, bytesMax: number): Promise<MemberPiece> {
  const { batches, nextOffset, cleanedSegment } = await log.parts.reader.readWritten({ from, bytesMax })
  const [first] = batches
  invariant(first === undefined || baseOffsetOf(first) >= from, `a member's log ends at ${from}, inside a batch`)
  if (cleanedSegment === undefined) return { batches, nextOffset }
  const { endOffset } = cleanedSegment
  return { batches, nextOffset, cleaned: { endOffset, epochStarts: epochsFrom(cleanedSegment.epochStarts, from) } }
}

/** The epochs from `from` on; one that began before begins there. */
function epochsFrom(starts: readonly EpochStart[], from: Offset): EpochStart[] {
  const first = Math.max(
    0,
    starts.findLastIndex(({ startOffset }) => startOffset <= from),
  )
  return starts
    .slice(first)
    .map(({ epoch, startOffset }) => ({ epoch, startOffset: Math.max(startOffset, from) as Offset }))
}
