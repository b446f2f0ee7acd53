import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { configurationReference } from '../../../src/node/configuration/reference.js'

const file = new URL('../../../../../docs/reference/configuration.md', import.meta.url)

test('docs/reference/configuration.md shows the option table as it is (GOMQ_UPDATE_DOCS=1 writes it)', () => {
  const text = readFileSync(file, 'utf8')
  const expected = text.replace(
    /(<!-- options:[^\n]*-->\n)[\s\S]*(<!-- end of options -->)/,
    (_whole, begin: string, end: string) => `${begin}\n${configurationReference()}\n${end}`,
  )
  expect(expected).toContain('--data-dir')
  if (process.env['GOMQ_UPDATE_DOCS'] !== undefined) writeFileSync(file, expected)
  else expect(text).toBe(expected)
})
