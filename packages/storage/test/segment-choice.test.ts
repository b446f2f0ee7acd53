import type { Offset } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { chooseSegments, type SegmentFile } from '../src/segment-choice.js'

/** `base` or `base.generation-end`. */
function file(name: string): SegmentFile {
  const [, base, generation, end] = /^(\d+)(?:\.(\d+)-(\d+))?$/.exec(name)!
  const baseOffset = Number(base) as Offset
  if (generation === undefined) return { path: name, baseOffset, generation: 0, head: undefined }
  const head = {
    baseOffset,
    endOffset: Number(end) as Offset,
    generation: Number(generation),
    batches: 0,
    bytes: 0,
    firstTimeMs: 0,
    lastTimeMs: 0,
    epochStarts: [],
    headBytes: 0,
  }
  return { path: name, baseOffset, generation: head.generation, head }
}

test.each([
  ['0 10 20', 0, '0 10 20', ''],
  ['0 10 20 30 0.1-20', 0, '0.1-20 20 30', '0 10'],
  ['0 10 20 30 10.1-30', 0, '0 10.1-30 30', '10 20'],
  ['0.1-10 10.1-20 20 30 0.2-30', 0, '0.2-30 30', '0.1-10 10.1-20 20'],
  ['0.1-20 0.2-20 20', 0, '0.2-20 20', '0.1-20'],
  ['0.1-20 0.3-40 20.2-40 40', 0, '0.3-40 40', '0.1-20 20.2-40'],
  ['0 10 20 30', 20, '20 30', '0 10'],
  ['0.1-20 20 30', 20, '20 30', '0.1-20'],
  ['10 20.1-30 20 30', 20, '20.1-30 30', '10 20'],
  ['6.1-18 12 18', 12, '12 18', '6.1-18'],
  ['0 10 20 30', 25, '0 10 20 30', ''],
  ['0.1-20 10.1-30 30', 0, '0.1-20 10.1-30 30', ''],
  ['0.1-20 10.2-30 30', 0, '0.1-20 10.2-30 30', ''],
  ['', 0, '', ''],
])('of %s with the log starting at %i: %s, and %s may go', (names, start, chosen, superseded) => {
  const files = names.split(' ').filter(Boolean).map(file)
  const paths = (found: readonly SegmentFile[]) => found.map(({ path }) => path).join(' ')
  for (const order of [files, files.toReversed()]) {
    const choice = chooseSegments(order, start as Offset)
    expect(paths(choice.chosen)).toBe(chosen)
    expect(paths(choice.superseded).split(' ').sort()).toEqual(superseded.split(' ').sort())
  }
})
