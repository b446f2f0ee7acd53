import type { Offset } from '@gomq/protocol'
import { PINNED_SLICE_OFFSETS } from './limits.js'
import type { Scheduler } from './scheduler.js'

/** Between two looks at the clock. */
const STEPS_PER_LOOK = 64

/** What is retained, as the engine gives it out. */
export interface RetainedOffsets {
  /** How many there are now. */
  readonly count: number
  /** A live walk, in any order. */
  readonly offsets: Iterable<Offset>
}

/**
 * Gathers the offsets of the retained messages below `before` in slices of a millisecond, between which others run: a million of them in
 * one go would stop everybody. In no order, in memory that a worker shares.
 *
 * What was retained when it is called and still is at the end is there for sure. More than that does no harm; a message that becomes retained
 * meanwhile stands above everything committed at the call, and so at or above `before`.
 *
 * @param before   committed when this is called; nothing that ends above it is cleaned
 * @param isEnded  asked between slices: nobody waits any more
 * @returns undefined if it was ended
 */
export async function gatherPinned(
  { count, offsets }: RetainedOffsets,
  before: Offset,
  scheduler: Scheduler,
  isEnded: () => boolean,
): Promise<Float64Array | undefined> {
  let pinned = sharedNumbers(count)
  let found = 0
  let steps = 0
  let sliceMs = scheduler.nowMs()
  for (const offset of offsets) {
    if (offset < before) {
      if (found === pinned.length) {
        // Not before something comes twice; it must not be lost.
        const larger = sharedNumbers(2 * found + 1)
        larger.set(pinned)
        pinned = larger
      }
      pinned[found++] = offset
    }
    steps++
    if (steps % STEPS_PER_LOOK !== 0 || (steps < PINNED_SLICE_OFFSETS && scheduler.nowMs() === sliceMs)) continue
    await new Promise<void>((resolve) => scheduler.schedule(0, resolve))
    if (isEnded()) return undefined
    steps = 0
    sliceMs = scheduler.nowMs()
  }
  return pinned.subarray(0, found)
}

function sharedNumbers(count: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT))
}
