import type { Epoch, Offset } from '@gomq/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { alignmentOf, type History, partingPoint } from '../../src/core/divergence.js'

function history(
  logEndOffset: number,
  starts: readonly (readonly [epoch: number, start: number])[],
  logStartOffset = 0,
): History {
  return {
    logStartOffset: logStartOffset as Offset,
    logEndOffset: logEndOffset as Offset,
    epochStarts: starts.map(([epoch, start]) => ({ epoch: epoch as Epoch, startOffset: start as Offset })),
  }
}

const leader = history(90, [
  [1, 0],
  [2, 40],
  [5, 70],
])

describe('where two histories part', () => {
  it.each([
    [
      'a member that is behind goes on where it ends',
      history(60, [
        [1, 0],
        [2, 40],
      ]),
      60,
    ],
    [
      'a member that has more of an old epoch is cut at the end of it',
      history(80, [
        [1, 0],
        [2, 40],
      ]),
      70,
    ],
    [
      'an epoch that only the member knows is divergent, with all behind it',
      history(80, [
        [1, 0],
        [2, 40],
        [3, 60],
      ]),
      60,
    ],
    [
      'an epoch that only the leader knows ends what is common before it',
      history(50, [
        [1, 0],
        [4, 30],
      ]),
      30,
    ],
    ['an empty member begins at 0', history(0, []), 0],
    ['a member with the same log is not cut', leader, 90],
  ])('[R13] %s', (_, member, offset) => {
    expect(alignmentOf(leader, member, false)).toEqual({ kind: 'cut', offset })
  })

  it('[R13] what is kept is the same on both, and nothing that is the same is cut', () => {
    // A log as the epochs of its records; an epoch is one leader's, so equal epochs at an offset, behind equal records, are equal records.
    const epochs = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 30 }).map((list) => list.sort((a, b) => a - b))
    fc.assert(
      fc.property(epochs, fc.nat(30), epochs, (shared, forks, tails) => {
        const base = shared.slice(0, forks)
        const from = base.at(-1) ?? 0
        // Odd epochs were led on one side of the fork, even ones on the other; the last common one by either.
        const a = [...base, ...tails.filter((epoch) => epoch > from && epoch % 2 === 1)]
        const b = [...base, ...tails.filter((epoch) => epoch > from && epoch % 2 === 0)]
        expect(alignmentOf(ofEpochs(a), ofEpochs(b), false)).toEqual({ kind: 'cut', offset: base.length })
      }),
    )
  })

  it('says that nothing is common if no epoch is', () => {
    expect(partingPoint(leader, history(30, [[3, 0]]))).toBeUndefined()
  })
})

describe('a leader whose log does not begin at 0', () => {
  const late = history(
    200,
    [
      [5, 100],
      [6, 150],
    ],
    100,
  )

  it('has a member that ends below its start begin anew there', () => {
    expect(alignmentOf(late, history(60, [[5, 0]]), false)).toEqual({ kind: 'reset', offset: 100 })
  })
  it('has an empty member begin anew at its start', () => {
    expect(alignmentOf(late, history(0, []), false)).toEqual({ kind: 'reset', offset: 100 })
  })
  it('has a member with a log of other epochs begin anew', () => {
    expect(alignmentOf(late, history(180, [[4, 0]]), false)).toEqual({ kind: 'reset', offset: 100 })
  })
  it('never empties a copy that is in sync: it has all below the start', () => {
    expect(alignmentOf(late, history(100, [[4, 0]]), true)).toEqual({ kind: 'cut', offset: 100 })
  })
  it('has a member whose log begins behind the parting point begin anew', () => {
    expect(alignmentOf(late, history(300, [[5, 170]], 170), false)).toEqual({ kind: 'reset', offset: 100 })
  })
})

function ofEpochs(epochs: readonly number[]): History {
  const starts = epochs.flatMap((epoch, i): [number, number][] => (epochs[i - 1] === epoch ? [] : [[epoch, i]]))
  return history(epochs.length, starts)
}
