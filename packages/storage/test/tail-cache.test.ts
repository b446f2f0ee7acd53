import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { baseOffsetOf, type Offset } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { TailCache, unpinned } from '../src/tail-cache.js'
import { stampedBatch } from './support/stamped-batch.js'

const batchAt = (baseOffset: number, records = 2) => stampedBatch({ baseOffset, records })

function basesFrom(cache: TailCache, offset: number): number[] {
  const bases: number[] = []
  cache.from(offset as Offset, (batch) => bases.push(baseOffsetOf(batch)) > 0)
  return bases
}

describe('the tail cache', () => {
  test('keeps the newest batches within its bytes, the last one always', () => {
    const bytes = batchAt(0).byteLength
    const cache = new TailCache(3 * bytes)
    expect(cache.startOffset).toBeUndefined()
    for (let base = 0; base < 20; base += 2) cache.add(batchAt(base))
    expect([cache.startOffset, cache.bytes]).toEqual([14, 3 * bytes])
    cache.add(batchAt(20, 500))
    expect(basesFrom(cache, 0)).toEqual([20])
    expect(new TailCache(0).startOffset).toBeUndefined()
  })

  test('begins with the batch that holds the offset', () => {
    const cache = new TailCache(1_000_000)
    for (let base = 0; base < 20; base += 2) cache.add(batchAt(base))
    expect(basesFrom(cache, 13)).toEqual([12, 14, 16, 18])
    expect(basesFrom(cache, 20)).toEqual([])
  })

  test('forgets from an offset on', () => {
    const cache = new TailCache(1_000_000)
    for (let base = 0; base < 10; base += 2) cache.add(batchAt(base))
    cache.truncate(4 as Offset)
    expect([basesFrom(cache, 0), cache.bytes]).toEqual([[0, 2], 2 * batchAt(0).byteLength])
    cache.truncate(0 as Offset)
    expect([cache.startOffset, cache.bytes]).toEqual([undefined, 0])
  })

  test('lets go of the memory of what it dropped', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const cache = new TailCache(1)
    const refs: WeakRef<Uint8Array>[] = []
    for (let base = 0; base < 100; base++) {
      const batch = batchAt(base, 1)
      refs.push(new WeakRef(batch))
      cache.add(batch)
    }
    await new Promise((resolve) => setTimeout(resolve, 0))
    collect()
    expect(refs.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(10)
    expect(cache.startOffset).toBe(99)
  })

  test('takes a batch from a much larger buffer as a copy', () => {
    const buffer = new Uint8Array(1000)
    expect(unpinned(buffer.subarray(0, 499)).buffer.byteLength).toBe(499)
    expect(unpinned(buffer.subarray(0, 500)).buffer).toBe(buffer.buffer)
    expect(unpinned(Buffer.from(buffer.buffer, 0, 10)).byteOffset).toBe(0)
  })
})
