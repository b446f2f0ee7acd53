import type { Epoch, Offset } from '@gomq/protocol'

/** Where an epoch begins. */
export interface EpochStart {
  readonly epoch: Epoch
  /** Offset of its first record. */
  readonly startOffset: Offset
}

/** Epoch starts as one flat array, as the files hold them. */
export function flatEpochStarts(starts: readonly EpochStart[]): number[] {
  return starts.flatMap((start) => [start.epoch, start.startOffset])
}

/** Epoch starts out of a flat array. */
export function epochStartsOf(flat: readonly number[]): EpochStart[] {
  const starts: EpochStart[] = []
  for (let i = 0; i < flat.length; i += 2) starts.push({ epoch: flat[i] as Epoch, startOffset: flat[i + 1] as Offset })
  return starts
}

/** The starts of neighbours as those of one range: each epoch once, where it begins first. */
export function joinedEpochStarts(ranges: Iterable<readonly EpochStart[]>): EpochStart[] {
  const joined: EpochStart[] = []
  for (const starts of ranges)
    for (const start of starts) if (start.epoch > (joined.at(-1)?.epoch ?? -1)) joined.push(start)
  return joined
}
