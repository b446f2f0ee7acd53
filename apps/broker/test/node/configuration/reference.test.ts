import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { loadConfiguration } from '../../../src/node/configuration/load-configuration.js'
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

test('the file that docs/reference/configuration.md shows is a configuration', () => {
  const [, toml = ''] = /```toml\n([\s\S]*?)```/.exec(readFileSync(file, 'utf8'))!
  const sources = { environment: {}, readFile: () => toml }
  const { configuration } = loadConfiguration({ kind: 'run', configFile: 'gomq.toml', values: new Map() }, sources)
  expect(configuration).toMatchObject({ dataDir: '/var/lib/gomq', messageBytesMax: 16 * 1024 * 1024 })
})
