import { expect, test } from 'vitest'
import { tableOf } from '../src/table.js'

test('rows stand under their heads, without lines and without spaces at the end', () => {
  expect(
    tableOf(
      ['A', 'LONG HEAD'],
      [
        ['1', 'x'],
        ['12345', ''],
      ],
    ),
  ).toBe('A      LONG HEAD\n1      x\n12345')
})
