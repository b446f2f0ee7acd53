import { crc32 } from '@gomq/protocol/node'
import { describe, expect, test } from 'vitest'
import { createCleaner } from '../../src/cleaning/cleaner.js'
import { many, offsetsOf, start, upTo } from '../support/cleanable-log.js'

describe('compaction', () => {
  test('goes on where the keys did not fit into memory, turn after turn', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(200, (i) => ({ key: `k${i % 100}` })))
    const cleaner = createCleaner({ fs: disk.mount(), crc32, keyBytesMax: 4000 })
    const end = log.sealedSegments.at(-1)!.endOffset
    const counts: number[] = []
    for (let turn = 0; turn < 4; turn++) {
      await cleaner.clean(log, rules({ isCompacted: true }), 1e9)
      counts.push((await offsetsOf(log)).filter((at) => at < end).length)
    }
    expect(counts[0]).toBe(end)
    expect(counts.at(-1)).toBeLessThan(end)
  })

  test('waits until as much has come as there is, so that each byte is written about once', async () => {
    const { disk, log, put, rules } = await start()
    const cleaner = createCleaner({ fs: disk.mount(), crc32 })
    const policy = () => rules({ isCompacted: true })
    let appended = 0
    let rewritten = 0
    for (let round = 0; round < 16; round++) {
      const before = log.logEndOffset
      await put(many(40, () => ({ key: `k${before % 7}${Math.floor(log.logEndOffset / 2)}` })))
      appended += 40 * 170
      rewritten += (await cleaner.clean(log, policy(), appended - rewritten)).rewrittenBytes
    }
    expect(rewritten).toBeLessThanOrEqual(2 * appended)
  })

  test('keeps a tombstone for its time, and removes it in a later pass than the last that it hides', async () => {
    const { disk, log, put, rules } = await start()
    const cleaner = createCleaner({ fs: disk.mount(), crc32 })
    const clean = (nowMs: number, ...pinned: number[]) =>
      cleaner.clean(
        log,
        rules({ isCompacted: true, tombstoneMs: 5000 }, 0, { nowMs, pinned: Float64Array.from(pinned) }),
        1e9,
      )
    const left = async () => (await offsetsOf(log)).filter((at) => at < 20)
    // Values of ten keys, and their tombstones.
    await put(many(20, (i) => ({ key: `k${i % 10}`, value: i < 10 ? 'value' : '' })))
    await put(many(30, (i) => ({ key: `other${i}` })))
    await clean(2000, 3)
    expect(await left()).toEqual([3, ...upTo(20).slice(10)])
    await put(many(90, (i) => ({ key: `more${i}` })))
    await clean(9000, 3)
    expect(await left()).toEqual([3, 13])
    await put(many(180, (i) => ({ key: `yet more${i}` })))
    await clean(9000)
    expect(await left()).toEqual([13])
    await put(many(400, (i) => ({ key: `even more${i}` })))
    await clean(9000)
    expect(await left()).toEqual([])
  })

  test('begins anew when another set of topics is compacted', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(80, (i) => ({ topic: i % 2 === 0 ? 'a' : 'b', key: 'k' })))
    const end = log.sealedSegments.at(-1)!.endOffset
    const cleaner = createCleaner({ fs: disk.mount(), crc32 })
    await cleaner.clean(log, rules({ filter: 'a', isCompacted: true }), 1e9)
    await cleaner.clean(log, rules({ isCompacted: true }), 1e9)
    expect((await offsetsOf(log)).filter((at) => at < end)).toHaveLength(2)
  })

  test('tells one topic from another', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(40, (i) => ({ topic: i % 2 === 0 ? 'a' : 'b', key: 'k' })))
    await put(many(40, () => ({ topic: 'other' })))
    await createCleaner({ fs: disk.mount(), crc32 }).clean(log, rules({ isCompacted: true }), 1e9)
    expect((await offsetsOf(log)).filter((at) => at < 40)).toEqual([38, 39])
  })
})
