import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { printHelp } from '../src/reference.js'

const file = new URL('../../../docs/reference/gomqctl.md', import.meta.url)

test('docs/reference/gomqctl.md shows the help texts as they are (GOMQ_UPDATE_DOCS=1 writes them)', () => {
  const page = readFileSync(file, 'utf8')
  const expected = page.replace(
    /(<!-- help:[^\n]*-->\n)[\s\S]*(<!-- end of help -->)/,
    (_whole, begin: string, end: string) => `${begin}\n${printHelp()}\n\n${end}`,
  )
  expect(expected).toContain('--exit-at-end')
  if (process.env['GOMQ_UPDATE_DOCS'] !== undefined) writeFileSync(file, expected)
  else expect(page).toBe(expected)
})
