import type { Offset } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { PINNED_SLICE_OFFSETS } from '../src/limits.js'
import { gatherPinned } from '../src/pinned-offsets.js'

/** Offsets from `count` - 1 down to 0, a clock that moves by `stepMs` with each of them, and how many came in each slice. */
function makeWalk(count: number, stepMs: number) {
  let nowMs = 0
  const slices = [0]
  function* offsets() {
    for (let at = count - 1; at >= 0; at--) {
      nowMs += stepMs
      slices[slices.length - 1]!++
      yield at as Offset
    }
  }
  const scheduler = {
    nowMs: () => Math.floor(nowMs),
    schedule: (_: number, run: () => void) => {
      slices.push(0)
      queueMicrotask(run)
      return { cancel: () => undefined }
    },
  }
  return { scheduler, slices, offsets: offsets() }
}

describe('what is retained is gathered', () => {
  test('in slices of a millisecond, whatever there is', async () => {
    const { scheduler, slices, offsets } = makeWalk(10_000, 0.005)
    const pinned = await gatherPinned({ count: 10_000, offsets }, 9000 as Offset, scheduler, () => false)
    expect(pinned!.slice().sort()).toEqual(Float64Array.from({ length: 9000 }, (_, i) => i))
    expect(pinned!.buffer).toBeInstanceOf(SharedArrayBuffer)
    expect(slices.length).toBeGreaterThan(40)
    expect(Math.max(...slices)).toBeLessThan(200 + 64 + 1)
  })

  test('in slices of a bounded number where the clock stands still', async () => {
    const { scheduler, slices, offsets } = makeWalk(3 * PINNED_SLICE_OFFSETS, 0)
    await gatherPinned({ count: 0, offsets }, 100 as Offset, scheduler, () => false)
    expect(Math.max(...slices)).toBe(PINNED_SLICE_OFFSETS)
  })

  test('whole, although more come than there were', async () => {
    const { scheduler, offsets } = makeWalk(1000, 0)
    const pinned = await gatherPinned({ count: 10, offsets }, 1000 as Offset, scheduler, () => false)
    expect(new Set(pinned).size).toBe(1000)
  })

  test('no further once nobody waits', async () => {
    const { scheduler, slices, offsets } = makeWalk(100_000, 0.01)
    expect(await gatherPinned({ count: 100_000, offsets }, 1 as Offset, scheduler, () => slices.length > 3)).toBe(
      undefined,
    )
    expect(slices).toHaveLength(4)
  })
})
