import { encodeMsgpack } from '@gomq/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { elementsOf, packedRows, StateRows } from '../src/state-rows.js'

const text = fc.string({ unit: 'binary' })
const row = fc.tuple(
  text,
  fc.maxSafeInteger(),
  fc.array(text),
  fc.option(fc.uint8Array()),
  fc.array(fc.nat()),
  fc.option(fc.nat()),
)

describe('rows of the state', () => {
  test('come back from their blocks as they were, whatever text is in them', () => {
    fc.assert(
      fc.property(fc.array(row), fc.integer({ min: 1, max: 5 }), (rows, perBlock) => {
        const back: unknown[] = []
        const blocks = [...packedRows(99, rows, perBlock)].map((bytes) => new StateRows(elementsOf(bytes)))
        for (const block of blocks)
          for (let left = block.count; left > 0; left--)
            back.push([
              block.text(),
              block.number(),
              block.texts(),
              block.bytesOrNull(),
              block.numbers(),
              block.numberOrNull(),
            ])
        expect(back).toEqual(rows)
        expect(blocks.map((block) => block.count)).toEqual(
          Array.from({ length: Math.ceil(rows.length / perBlock) }, (_, i) =>
            Math.min(perBlock, rows.length - i * perBlock),
          ),
        )
      }),
    )
  })

  test('are flat on disk: kind, count, all text as one, then the values', () => {
    const rows = [
      ['c1', 60, null, ['a', 'b']],
      ['é', 0, [7, 8], []],
    ]
    expect([...packedRows(9, rows, 10)]).toEqual([
      encodeMsgpack([9, 2, 'c1abé', 2, 60, null, 2, 1, 1, 1, 0, 2, 7, 8, 0]),
    ])
  })
})
