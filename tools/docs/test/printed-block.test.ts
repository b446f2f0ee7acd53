import { expect, test } from 'vitest'
import { markdownTable, withPrinted } from '../src/printed-block.js'

test('what stands between the markers is replaced, and nothing else', () => {
  const page = 'a\n<!-- x: printed from y -->\nold\n<!-- end of x -->\nb'
  const printed = withPrinted(page, 'x', 'new')
  expect(printed).toBe('a\n<!-- x: printed from y -->\n\nnew\n\n<!-- end of x -->\nb')
  expect(withPrinted(printed, 'x', 'new')).toBe(printed)
  expect(() => withPrinted(page, 'z', '')).toThrow(/no place for 'z'/)
})

test('a bar in a cell does not end it', () => {
  expect(markdownTable(['a', 'b'], [['x|y', 1]])).toBe('| a | b |\n|---|---|\n| x\\|y | 1 |')
})
