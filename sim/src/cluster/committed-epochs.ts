import type { EpochStart } from '@gomq/storage'

/** Part of a log, as its marks and its table of epochs tell it. */
export interface LogMarks {
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly syncedOffset: number
  readonly logEndOffset: number
  /** Oldest first. */
  readonly epochStarts: readonly EpochStart[]
}

/**
 * By which epoch each offset was committed. One leader at most writes in an epoch, and only at its end of the log: two copies that agree on the epochs of
 * a stretch hold the same there, without a byte being read.
 *
 *     committed: epoch 1 from 0, epoch 2 from 40; end 90
 *     a copy:    epoch 1 from 0, end 60            -> parts from it at 40
 */
export class CommittedEpochs {
  #starts: EpochStart[] = []
  #endOffset = 0

  /** Everything below has been committed, by whomever. */
  get endOffset(): number {
    return this.#endOffset
  }

  /** A leader commits up to `to`; what had been committed before stays as it was. */
  extend({ logStartOffset, epochStarts }: LogMarks, to: number): void {
    if (to <= this.#endOffset) return
    for (const { epoch, startOffset } of epochStarts) {
      const isNew = epoch > (this.#starts.at(-1)?.epoch ?? 0)
      if (isNew && startOffset < to && (startOffset >= this.#endOffset || startOffset === logStartOffset))
        this.#starts.push({ epoch, startOffset })
    }
    this.#endOffset = to
  }

  /** The first offset below `to` at which a log holds what another epoch than the committed one has written; undefined if there is none. */
  partsAt({ logStartOffset, logEndOffset, epochStarts }: LogMarks, to: number): number | undefined {
    const end = Math.min(to, logEndOffset, this.#endOffset)
    let first: number | undefined
    const compareAt = (offset: number) => {
      if (offset < logStartOffset || offset >= end || (first !== undefined && first <= offset)) return
      if (epochAt(epochStarts, offset) !== epochAt(this.#starts, offset)) first = offset
    }
    compareAt(logStartOffset)
    for (const { startOffset } of epochStarts) compareAt(startOffset)
    for (const { startOffset } of this.#starts) compareAt(startOffset)
    return first
  }
}

function epochAt(starts: readonly EpochStart[], offset: number): number | undefined {
  return starts.findLast(({ startOffset }) => startOffset <= offset)?.epoch
}
