import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { WHOLE_ROUND_BYTES_MAX } from '../src/limits.js'
import { RoundQueue } from '../src/round-queue.js'

const KIB = 1024
const ALL = () => true

function queueOf(...sizes: number[]): RoundQueue {
  const queue = new RoundQueue()
  for (const size of sizes) queue.push(new Uint8Array(size))
  return queue
}

function sizesOf(queue: RoundQueue, bytesMax = Number.POSITIVE_INFINITY): number[] {
  const sizes: number[] = []
  for (let round = queue.take(bytesMax, ALL); round !== undefined; round = queue.take(bytesMax, ALL))
    sizes.push(round.bytes / KIB)
  return sizes
}

test('what is little goes in one round, and of much more half, so that the other half can be refilled meanwhile', () => {
  const hundreds = (count: number) => queueOf(...Array<number>(count).fill(128 * KIB))
  expect(sizesOf(hundreds(4))).toEqual([512])
  expect(sizesOf(hundreds(6))).toEqual([512, 256])
  expect(sizesOf(hundreds(32))).toEqual([2048, 1024, 512, 512])
})

test('a round has at most so many bytes beyond its first batch, and always that', () => {
  expect(sizesOf(queueOf(4 * KIB, KIB, KIB), KIB)).toEqual([4, 1, 1])
})

test('a round ends before what does not fit behind it; nothing is taken if the first does not', () => {
  const queue = queueOf(KIB, KIB, KIB)
  expect(queue.take(8 * KIB, (_batch, _first, bytes) => bytes < 2 * KIB)?.batches).toHaveLength(2)
  expect(queue.take(8 * KIB, () => false)).toBeUndefined()
  expect(queue.length).toBe(1)
})

test('does what an array does, whatever is pushed, taken, put back and dropped', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), size: fc.integer({ min: 1, max: WHOLE_ROUND_BYTES_MAX }) }),
    fc.record({ kind: fc.constant('take' as const), bytesMax: fc.integer({ min: 1, max: 3 * WHOLE_ROUND_BYTES_MAX }) }),
    fc.record({ kind: fc.constant('fail' as const) }),
    fc.record({ kind: fc.constant('keep' as const), sizeMax: fc.integer({ min: 1, max: WHOLE_ROUND_BYTES_MAX }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const queue = new RoundQueue()
      let twin: Uint8Array[] = []
      for (const each of steps) {
        if (each.kind === 'push') {
          const batch = new Uint8Array(each.size)
          queue.push(batch)
          twin.push(batch)
        } else if (each.kind === 'keep') {
          queue.keep(({ byteLength }) => byteLength <= each.sizeMax)
          twin = twin.filter(({ byteLength }) => byteLength <= each.sizeMax)
        } else {
          const bytesMax = each.kind === 'take' ? each.bytesMax : WHOLE_ROUND_BYTES_MAX
          const waiting = twin.reduce((sum, { byteLength }) => sum + byteLength, 0)
          const round = queue.take(bytesMax, ALL)
          expect(round?.batches ?? []).toEqual(twin.slice(0, round?.batches.length ?? 0))
          expect(round === undefined).toBe(twin.length === 0)
          const beforeLast = (round?.bytes ?? 0) - (round?.batches.at(-1)?.byteLength ?? 0)
          expect(beforeLast).toBeLessThan(Math.max(1, Math.min(bytesMax, Math.max(WHOLE_ROUND_BYTES_MAX, waiting / 2))))
          if (round !== undefined && each.kind === 'fail') queue.putBack(round)
          else twin = twin.slice(round?.batches.length ?? 0)
        }
        expect(queue.length).toBe(twin.length)
      }
    }),
    { numRuns: 200 },
  )
})
