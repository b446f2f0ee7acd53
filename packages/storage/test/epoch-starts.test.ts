import type { Epoch, Offset } from '@gomq/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EpochStarts } from '../src/epoch-starts.js'

test('the end of an epoch is what a walk over all records finds, also after truncations', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 30 }),
      fc.nat(40),
      fc.nat(30),
      (steps, asked, cut) => {
        let epoch = 1
        const epochs = steps.map((step) => (epoch += step))
        const starts = new EpochStarts()
        for (const [at, number] of epochs.entries()) starts.add(number as Epoch, at as Offset)
        starts.truncate(cut as Offset)
        const left = epochs.slice(0, cut)
        const found = left.filter((number) => number <= asked).at(-1)
        expect(starts.endOf(asked as Epoch, left.length as Offset)).toEqual(
          found === undefined ? undefined : { epoch: found, endOffset: left.lastIndexOf(found) + 1 },
        )
        expect(starts.last).toBe(left.at(-1) ?? 0)
        expect(starts.all.map((start) => start.epoch)).toEqual([...new Set(left)])
      },
    ),
  )
})

test('a log whose start moves knows its epochs from there on, and the newest one always', () => {
  const startsFrom = (start: number) => {
    const starts = new EpochStarts()
    for (const [epoch, startOffset] of [
      [1, 0],
      [2, 40],
      [5, 70],
    ] as const)
      starts.add(epoch as Epoch, startOffset as Offset)
    starts.advance(start as Offset)
    return starts.all.map(({ epoch, startOffset }) => [epoch, startOffset])
  }
  expect(startsFrom(0)).toEqual([
    [1, 0],
    [2, 40],
    [5, 70],
  ])
  expect(startsFrom(39)).toEqual([
    [1, 39],
    [2, 40],
    [5, 70],
  ])
  expect(startsFrom(40)).toEqual([
    [2, 40],
    [5, 70],
  ])
  expect(startsFrom(90)).toEqual([[5, 90]])
  const left = new EpochStarts()
  left.add(3 as Epoch, 0 as Offset)
  left.advance(16 as Offset)
  left.add(3 as Epoch, 16 as Offset)
  expect(left.all).toEqual([{ epoch: 3, startOffset: 16 }])
  left.advance(20 as Offset)
  left.add(9 as Epoch, 20 as Offset)
  expect(left.all).toEqual([{ epoch: 9, startOffset: 20 }])
  const empty = new EpochStarts()
  empty.advance(9 as Offset)
  expect(empty.all).toEqual([])
})
