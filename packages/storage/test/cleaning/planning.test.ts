import { offset } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { planCleaning, type WeighedSegment } from '../../src/cleaning/planning.js'

/** Segments of 10 offsets and 1,000 bytes, of which so many live; a negative number is one by the rules of an earlier turn. */
function segments(...live: number[]): WeighedSegment[] {
  return live.map((liveBytes, i) => ({
    segment: {
      path: `${i}`,
      generation: 0,
      baseOffset: offset(10 * i),
      endOffset: offset(10 * i + 10),
      bytes: 1000,
      firstTimeMs: 1 + i,
      lastTimeMs: 2 + i,
      epochStarts: [],
    },
    batchBytes: 1000,
    liveBytes: Math.abs(liveBytes),
    isFresh: !Object.is(liveBytes, -0) && liveBytes >= 0,
  }))
}

function planned(all: WeighedSegment[], budgetBytes = 1e9, segmentBytes = 1000) {
  const { dropTo, dropped, groups } = planCleaning(all, budgetBytes, segmentBytes)
  return { dropTo, dropped: dropped.length, groups: groups.map((group) => group.map(({ path }) => path).join(' ')) }
}

describe('the plan of a turn', () => {
  test.each<[string, number[], ReturnType<typeof planned>]>([
    ['does nothing where more than half lives', [1000, 600, 500], { dropTo: undefined, dropped: 0, groups: [] }],
    ['drops what leads and is dead', [0, 0, 900, 0, 900], { dropTo: offset(20), dropped: 2, groups: ['3'] }],
    ['drops a log that is all dead', [0, 0], { dropTo: offset(20), dropped: 2, groups: [] }],
    ['drops nothing that was dead by other rules', [-0, 900], { dropTo: undefined, dropped: 0, groups: ['0'] }],
    [
      'makes one of neighbours that have room together',
      [400, 400, 100, 499],
      { dropTo: undefined, dropped: 0, groups: ['0 1 2', '3'] },
    ],
    ['takes a small neighbour along', [600, 300], { dropTo: undefined, dropped: 0, groups: ['0 1'] }],
    ['leaves a neighbour that is large beside it', [900, 100, 900], { dropTo: undefined, dropped: 0, groups: ['1'] }],
  ])('%s', (_, live, expected) => {
    expect(planned(segments(...live))).toEqual(expected)
  })

  test('keeps to the budget, those that free most first, and lets those through of which hardly anything lives', () => {
    const all = segments(900, 400, 900, 100, 900, 20, 900)
    expect(planned(all).groups).toEqual(['5', '3', '1'])
    expect(planned(all, 200).groups).toEqual(['5', '3'])
    expect(planned(all, -1000).groups).toEqual(['5'])
  })

  test('goes around a damaged segment, and drops nothing from there on', () => {
    const all = segments(0, 100, 100, 0)
    const hurt = { ...all[1]!, isFresh: false, isDamaged: true, liveBytes: 1000 }
    const small = { ...hurt, batchBytes: 10, liveBytes: 10 }
    for (const one of [hurt, small])
      expect(planned([all[0]!, one, all[2]!, all[3]!])).toEqual({ dropTo: offset(10), dropped: 1, groups: ['2 3'] })
  })

  test('joins no segments whose offsets or times are too far apart for one index', () => {
    const near = segments(100, 100)
    const later = near.map(({ segment, ...weighed }, i) => ({
      ...weighed,
      segment: { ...segment, lastTimeMs: segment.lastTimeMs + i * 2 ** 32 },
    }))
    const further = near.map(({ segment, ...weighed }, i) => ({
      ...weighed,
      segment: { ...segment, endOffset: offset(segment.endOffset + i * 2 ** 32) },
    }))
    expect([near, later, further].map((all) => planned(all).groups.length)).toEqual([1, 2, 2])
  })
})
