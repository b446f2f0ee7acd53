import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withPrinted } from '../src/printed-block.js'
import { printErrors, printPackets } from '../src/reference.js'

test.each([
  ['docs/reference/protocol.md', 'packets', printPackets],
  ['docs/reference/errors.md', 'errors', printErrors],
])('%s shows the %s as they are (GOMQ_UPDATE_DOCS=1 writes them)', (path, name, print) => {
  const file = new URL(`../../../${path}`, import.meta.url)
  const page = readFileSync(file, 'utf8')
  const expected = withPrinted(page, name, print())
  if (process.env['GOMQ_UPDATE_DOCS']) writeFileSync(file, expected)
  else expect(page).toBe(expected)
})
