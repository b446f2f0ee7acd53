import {
  Attribute,
  appendTimeMsOf,
  BatchBuilder,
  baseOffsetOf,
  epoch,
  epochOf,
  isControl,
  nextOffsetOf,
  type Offset,
  offset,
  producerId,
  stampLeader,
  topicOf,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SegmentIndex } from '../../src/format/segment-index.js'
import { indexFileOf } from '../support/index-file.js'
import { stampedBatch } from '../support/stamped-batch.js'

/** The dumb twin: the batches themselves, asked by walking over them. */
class Twin {
  batches: Uint8Array[] = []
  readonly base: number
  constructor(base: number) {
    this.base = base
  }
  get endOffset(): number {
    return this.batches.length === 0 ? this.base : nextOffsetOf(this.batches.at(-1)!)
  }
  entryFor(at: number): number {
    const found = this.batches.findIndex((batch) => nextOffsetOf(batch) > at)
    return found === -1 ? this.batches.length : found
  }
  entryForTime(timeMs: number): number {
    const found = this.batches.findIndex((batch) => appendTimeMsOf(batch) >= timeMs)
    return found === -1 ? this.batches.length : found
  }
  positionAt(entry: number): number {
    return this.batches.slice(0, entry).reduce((sum, batch) => sum + batch.byteLength, 0)
  }
  epochStarts(): object[] {
    const starts: { epoch: number; startOffset: number }[] = []
    for (const batch of this.batches)
      if (epochOf(batch) !== starts.at(-1)?.epoch)
        starts.push({ epoch: epochOf(batch), startOffset: baseOffsetOf(batch) })
    return starts
  }
}

function controlBatch(baseOffset: number, number: number, appendTimeMs: number): Uint8Array {
  const builder = new BatchBuilder('', Attribute.CONTROL)
  builder.append({ timestampDeltaMs: 0, key: null, value: 'c', headers: null })
  const batch = builder.finish(
    { baseTimestampMs: 1, producerId: producerId(0), producerEpoch: 0, firstSequence: 0 },
    crc32,
  )
  stampLeader(batch, offset(baseOffset), epoch(number), appendTimeMs)
  return batch
}

interface Step {
  records: number
  topic: string | null
  laterMs: number
  nextEpoch: boolean
}
const step: fc.Arbitrary<Step> = fc.record({
  records: fc.integer({ min: 1, max: 4 }),
  topic: fc.constantFrom('a', 'b/c', 'é', null),
  laterMs: fc.constantFrom(0, 1, 7, 1_000_000_000),
  nextEpoch: fc.boolean(),
})

function add(index: SegmentIndex, twin: Twin, steps: readonly Step[]): void {
  for (const { records, topic, laterMs, nextEpoch } of steps) {
    const last = twin.batches.at(-1)
    const appendTimeMs = (last === undefined ? 1_700_000_000_000 : appendTimeMsOf(last)) + laterMs
    const number = (last === undefined ? 1 : epochOf(last)) + Number(nextEpoch)
    const batch =
      topic === null
        ? controlBatch(twin.endOffset, number, appendTimeMs)
        : stampedBatch({ baseOffset: twin.endOffset, records, topic, epoch: number, appendTimeMs, valueBytes: 8 })
    if (!index.fits(batch)) return
    index.add(batch)
    twin.batches.push(batch)
  }
}

function compare(index: SegmentIndex, twin: Twin): void {
  const { base, batches } = twin
  expect([index.baseOffset, index.count, index.endOffset]).toEqual([base, batches.length, twin.endOffset])
  expect(index.bytes).toBe(twin.positionAt(batches.length))
  for (let at = base - 1; at <= twin.endOffset + 1; at++)
    if (at >= base) expect(index.entryFor(at as Offset), `entry for ${at}`).toBe(twin.entryFor(at))
  for (let entry = 0; entry <= batches.length; entry++) {
    expect(index.positionAt(entry)).toBe(twin.positionAt(entry))
    expect(index.offsetAt(entry)).toBe(entry < batches.length ? baseOffsetOf(batches[entry]!) : twin.endOffset)
  }
  for (const [entry, batch] of batches.entries()) {
    expect(index.names.at(index.topicAt(entry))).toBe(isControl(batch) ? '' : topicOf(batch))
    expect(index.topicAt(entry) === 0).toBe(isControl(batch))
    for (const timeMs of [appendTimeMsOf(batch) - 1, appendTimeMsOf(batch), appendTimeMsOf(batch) + 1])
      expect(index.entryForTime(timeMs)).toBe(twin.entryForTime(timeMs))
  }
  expect(index.summary).toEqual({
    baseOffset: base,
    endOffset: twin.endOffset,
    bytes: twin.positionAt(batches.length),
    firstTimeMs: batches.length === 0 ? 0 : appendTimeMsOf(batches[0]!),
    lastTimeMs: batches.length === 0 ? 0 : appendTimeMsOf(batches.at(-1)!),
    epochStarts: twin.epochStarts(),
  })
}

describe('a segment index', () => {
  test('answers as a walk over the batches does: after adding, truncating, adding again, and over its file', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 17, 2 ** 52),
        fc.array(step, { maxLength: 12 }),
        fc.nat(12),
        fc.array(step, { maxLength: 5 }),
        (base, steps, cut, more) => {
          const index = new SegmentIndex(base as Offset)
          const twin = new Twin(base)
          add(index, twin, steps)
          compare(index, twin)
          const to = cut < twin.batches.length ? baseOffsetOf(twin.batches[cut]!) : twin.endOffset
          index.truncate(to as Offset)
          twin.batches = twin.batches.slice(0, cut)
          compare(index, twin)
          add(index, twin, more)
          compare(index, twin)
          const file = indexFileOf(index)
          const decoded = SegmentIndex.decode(file, crc32)!
          compare(decoded, twin)
          expect(SegmentIndex.decodeSummary(file, crc32)!.summary).toEqual(index.summary)
          expect(indexFileOf(decoded).equals(file)).toBe(true)
        },
      ),
      { numRuns: process.env['GOMQ_LONG'] ? 5_000 : 150 },
    )
  })

  test('any flipped bit in its file is noticed', () => {
    const index = new SegmentIndex(5 as Offset)
    add(index, new Twin(5), Array(9).fill({ records: 2, topic: 'a', laterMs: 1, nextEpoch: false }))
    const file = indexFileOf(index)
    for (let bit = 0; bit < 8 * file.byteLength; bit++) {
      const bytes = Uint8Array.from(file)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      expect(SegmentIndex.decode(bytes, crc32), `bit ${bit}`).toBeUndefined()
    }
    for (let bytes = 0; bytes < file.byteLength; bytes++)
      expect(SegmentIndex.decode(file.subarray(0, bytes), crc32)).toBeUndefined()
  })

  test('takes no batch whose numbers do not fit into its columns, nor one that does not follow', () => {
    const first = stampedBatch({ baseOffset: 0, appendTimeMs: 1000 })
    const last = 0xffff_ffff
    const empty = new SegmentIndex(0 as Offset)
    const later = (ms: number) => stampedBatch({ baseOffset: 1, appendTimeMs: 1000 + ms })
    expect([empty.fits(later(last + 1)), empty.fits(later(last), first), empty.fits(later(last + 1), first)]).toEqual([
      true,
      true,
      false,
    ])
    const index = new SegmentIndex(0 as Offset)
    index.add(first)
    expect([index.fits(later(last)), index.fits(later(last + 1)), index.fits(later(-1))]).toEqual([true, false, false])
    const at = (baseOffset: number) => stampedBatch({ baseOffset, appendTimeMs: 1000 })
    expect([index.fits(at(last)), index.fits(at(last + 1))]).toEqual([true, false])
    expect(() => index.add(at(7))).toThrow('invariant broken')
    expect(() => index.add(later(last + 1))).toThrow('invariant broken')
  })

  test('counts its names as memory', () => {
    const memoryOf = (topic: string) => {
      const index = new SegmentIndex(0 as Offset)
      index.add(stampedBatch({ baseOffset: 0, topic }))
      return index.memoryBytes
    }
    expect(memoryOf('x'.repeat(10_001)) - memoryOf('x')).toBe(20_000)
    const index = new SegmentIndex(0 as Offset)
    index.add(stampedBatch({ baseOffset: 0, topic: 'abc' }))
    const decoded = SegmentIndex.decode(indexFileOf(index), crc32)!
    // One entry, and the names as they stand in the file: their length, an array of two, '' and 'abc'.
    expect(decoded.memoryBytes).toBe(16 + 4 + 1 + 1 + 4)
  })

  test('holds more names than one msgpack value may have elements', () => {
    const index = new SegmentIndex(0 as Offset)
    for (let i = 0; i < 120_000; i++)
      index.add(stampedBatch({ baseOffset: i, topic: `t/${i}`, valueBytes: 1, appendTimeMs: 1 }))
    const decoded = SegmentIndex.decode(indexFileOf(index), crc32)!
    expect(decoded.names.count).toBe(120_001)
    expect(decoded.names.at(decoded.topicAt(119_999))).toBe('t/119999')
  })

  test('of a cleaned segment answers over gaps as a walk over the batches does, and over its file', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            gap: fc.nat({ max: 5 }),
            records: fc.integer({ min: 1, max: 4 }),
            topic: fc.constantFrom('a', 'b'),
          }),
          {
            maxLength: 300,
          },
        ),
        fc.nat({ max: 5 }),
        (steps, behind) => {
          const base = 2 ** 40
          const batches: Uint8Array[] = []
          let at = base
          for (const { gap, records, topic } of steps) {
            batches.push(stampedBatch({ baseOffset: at + gap, records, topic, valueBytes: 8 }))
            at += gap + records
          }
          const end = at + behind + Number(steps.length === 0)
          const epochStarts = [{ epoch: epoch(1), startOffset: offset(base) }]
          const shape = { endOffset: offset(end), generation: 3, headBytes: 77, epochStarts }
          const built = new SegmentIndex(offset(base), shape)
          for (const batch of batches) {
            expect([built.follows(batch), built.fits(batch)]).toEqual([true, true])
            built.add(batch)
          }
          for (const index of [built, SegmentIndex.decode(indexFileOf(built), crc32)!]) {
            expect([index.count, index.generation, index.endOffset, index.nextOffset]).toEqual([
              batches.length,
              3,
              end,
              at,
            ])
            for (let from = base; from <= end; from++) {
              const found = batches.findIndex((batch) => nextOffsetOf(batch) > from)
              expect(index.entryFor(offset(from)), `entry for ${from}`).toBe(found === -1 ? batches.length : found)
            }
            let position = 77
            for (const [entry, batch] of batches.entries()) {
              expect([index.offsetAt(entry), index.endAt(entry), index.positionAt(entry)]).toEqual([
                baseOffsetOf(batch),
                nextOffsetOf(batch),
                position,
              ])
              expect(index.names.at(index.topicAt(entry))).toBe(topicOf(batch))
              position += batch.byteLength
            }
            expect([index.offsetAt(index.count), index.positionAt(index.count), index.bytes]).toEqual([
              end,
              position,
              position,
            ])
            expect(index.summary.epochStarts).toEqual(epochStarts)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  test('of a cleaned segment takes nothing outside its range and is not truncated', () => {
    const shape = { endOffset: offset(20), generation: 1, headBytes: 10, epochStarts: [] }
    const index = new SegmentIndex(offset(5), shape)
    const follows = (baseOffset: number, records = 1) => index.follows(stampedBatch({ baseOffset, records }))
    expect([follows(4), follows(5), follows(18, 2), follows(18, 3)]).toEqual([false, true, true, false])
    expect(() => index.truncate(offset(7))).toThrow('not truncated')
  })
})
