import type { Offset } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { SegmentIndex } from '../src/format/segment-index.js'
import { IndexCache } from '../src/index-cache.js'
import { Segment } from '../src/segment.js'
import { stampedBatch } from './support/stamped-batch.js'

const indexAt = (base: number) => {
  const index = new SegmentIndex(base as Offset)
  for (let i = 0; i < 10; i++) index.add(stampedBatch({ baseOffset: base + i, topic: `t/${i}` }))
  return index
}
const segments = [0, 10, 20, 30].map((base) => new Segment(`${base}`, { summary: indexAt(base).summary }))
const perIndex = indexAt(0).memoryBytes

test('loads what is asked for, shares one load, and lets the least recently used go', async () => {
  const loads: number[] = []
  const cache = new IndexCache(2 * perIndex, async (segment) => {
    loads.push(segment.baseOffset)
    return indexAt(segment.baseOffset)
  })
  const [a, b, c] = segments as [Segment, Segment, Segment]
  const [one, two] = await Promise.all([cache.get(a), cache.get(a)])
  expect(one).toBe(two)
  await cache.get(b)
  await cache.get(a)
  await cache.get(c)
  expect(loads).toEqual([0, 10, 20])
  expect([a, b, c].map((segment) => segment.index !== undefined)).toEqual([true, false, true])
  expect([b.endOffset, b.summary.lastTimeMs, cache.bytes]).toEqual([20, 1019, 2 * perIndex])
  await cache.get(b)
  expect(loads).toEqual([0, 10, 20, 10])
})

test('always keeps the one last used, and one that cannot be loaded is tried again', async () => {
  let isDamaged = true
  const cache = new IndexCache(0, async (segment) => {
    if (isDamaged) throw new Error('damaged')
    return indexAt(segment.baseOffset)
  })
  const segment = segments[3]!
  await expect(cache.get(segment)).rejects.toThrow('damaged')
  isDamaged = false
  expect((await cache.get(segment)).count).toBe(10)
  expect(segment.index).toBeDefined()
  cache.forget(segment)
  expect(cache.bytes).toBe(0)
})
