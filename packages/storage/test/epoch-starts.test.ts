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
