import { baseOffsetOf, offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { describe, expect, test } from 'vitest'
import { createCleaner } from '../../src/cleaning/cleaner.js'
import { many, type Put, SEGMENT_BYTES, start, upTo } from '../support/cleanable-log.js'

/** Bytes of a batch of `start`'s default message from its begin to its value. */
const INTO_BODY = 120

/** A log with these messages in batches of one, of which the sealed segment at `index` has a flipped bit. */
async function damaged(puts: Put[], index: number, byte: number) {
  const { disk, log, put, rules } = await start()
  await put(puts)
  const hurt = log.sealedSegments[index]!
  const bytes = disk.bytesOf(hurt.path)
  bytes[byte]! ^= 1
  disk.put(hurt.path, bytes)
  const damagedBytes = () => disk.bytesOf(hurt.path)
  const cleaner = createCleaner({ fs: disk.mount(), crc32, segmentBytes: SEGMENT_BYTES })
  return { disk, log, put, rules, hurt, bytes, damagedBytes, cleaner }
}

const stateOf = (log: { sealedSegments: readonly { baseOffset: number; generation: number; bytes: number }[] }) =>
  log.sealedSegments.map(({ baseOffset, generation, bytes }) => [baseOffset, generation, bytes])

describe('a damaged segment', () => {
  test('is named with file, byte and offset, and left as it is, while all others are cleaned', async () => {
    const { log, rules, hurt, bytes, damagedBytes, cleaner } = await damaged(many(100), 2, 10)
    const { damages } = await cleaner.survey(log, rules({ maxCount: 10 }))
    expect(damages).toEqual([
      { file: hurt.path, byte: 0, offset: hurt.baseOffset, message: expect.stringContaining('gomqctl log verify') },
    ])
    const result = await cleaner.clean(log, rules({ maxCount: 10 }, 90), 1e9)
    expect(result).toMatchObject({ segmentsDropped: 2, logStartOffset: hurt.baseOffset, damages })
    expect(damagedBytes()).toEqual(bytes)
    const [first, ...others] = log.sealedSegments
    expect(first).toMatchObject({ path: hurt.path, generation: 0 })
    expect(others.every(({ generation }) => generation > 0)).toBe(true)
    const settled = stateOf(log)
    expect(await cleaner.clean(log, rules({}, 90), 1e9)).toMatchObject({ removedBytes: 0, damages })
    expect(stateOf(log)).toEqual(settled)
  })

  test('whose headers are intact is found when a batch is copied, and stays until all of it is dead', async () => {
    const puts = many(100, (i) => ({ topic: i % 10 === 0 ? 'b' : 'a' }))
    const { log, rules, hurt, bytes, damagedBytes, cleaner } = await damaged(puts, 1, INTO_BODY)
    const damagedOffset = hurt.baseOffset
    // The batch with the flipped bit lives, most of the others do not.
    const pinned = Float64Array.of(damagedOffset)
    const first = await cleaner.clean(log, rules({ filter: 'a' }, 90, { pinned }), 1e9)
    expect(first.damages).toMatchObject([{ file: hurt.path, byte: 0, offset: damagedOffset }])
    await cleaner.clean(log, rules({ filter: 'a' }, 90, { pinned }), 1e9)
    expect(damagedBytes()).toEqual(bytes)
    const others = log.sealedSegments.filter(({ path }) => path !== hurt.path)
    expect(others.every(({ generation }) => generation > 0)).toBe(true)
    const last = await cleaner.clean(log, rules({}, 90), 1e9)
    expect(last.logStartOffset).toBeGreaterThan(damagedOffset)
    expect((await cleaner.clean(log, rules({}, 90), 1e9)).damages).toEqual([])
  })

  test('keeps the tombstones behind it, and nothing else of compacted topics', async () => {
    // Values of 40 keys, their tombstones, and others.
    const puts = many(80, (i) => ({ key: `k${i % 40}`, value: i < 40 ? 'x'.repeat(40) : '' }))
    puts.push(...many(120, (i) => ({ key: `other${i % 60}` })))
    const { log, rules, hurt, bytes, damagedBytes, cleaner } = await damaged(puts, 1, INTO_BODY)
    const policy = () => rules({ isCompacted: true, tombstoneMs: 1 })
    expect((await cleaner.clean(log, policy(), 1e9)).damages).toHaveLength(1)
    expect(damagedBytes()).toEqual(bytes)
    const offsets = new Set<number>()
    const add = async (from: number, to: number) => {
      for (let at = from; at < to; ) {
        const { batches, nextOffset } = await log.read({ from: offset(at), to: offset(to), bytesMax: 1 })
        for (const batch of batches) offsets.add(baseOffsetOf(batch))
        at = nextOffset
      }
    }
    await add(0, hurt.baseOffset)
    expect(offsets.size, 'older values before it').toBe(0)
    await add(hurt.endOffset, 80)
    expect([...offsets].filter((at) => at >= 40)).toEqual(upTo(80).slice(40))
  })
})
