import { describe, expect, test } from 'vitest'
import { mask } from '../src/mask.js'

describe('mask', () => {
  const hole = '$'
  test.each<[string, string, string]>([
    ['a line comment', 'a // b\nc', 'a \nc'],
    ['a block comment over lines', 'a /* b\nc */ d', 'a \n d'],
    ['a string', `f('a // b', "c\\"d") // e`, `f(' ', " ") `],
    ['an apostrophe in a comment', "// it's\nb", ' \nb'],
    ['a template', `f(\`a ${hole}{b} c ${hole}{\`d ${hole}{e}\`} f\`)`, 'f(` {b} {` {e}`} `)'],
    ['braces in the code of a template', `\`${hole}{ {a: 1}.a } x\` + y`, '` { {a: 1}.a } ` + y'],
    ['a regular expression', `x = /['"/*]+/g; y`, 'x = / g; y'],
    ['a division', 'a / b / c', 'a / b / c'],
    ['a class in a regular expression', 'return /[/]`/.test(a)', 'return / .test(a)'],
  ])('%s is blanked and positions stay', (_, text, code) => {
    const masked = mask(text)
    expect(masked.code.length).toBe(text.length)
    expect(masked.code.replace(/ +/g, ' ')).toBe(code)
  })

  test('comments are what is kept of comments', () => {
    expect(mask('a // @ts-ignore\n"// no"').comments.trim()).toBe('// @ts-ignore')
  })
})
