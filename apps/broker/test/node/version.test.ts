import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { GOMQ_VERSION, GOMQCTL_VERSION } from '../../src/node/version.js'

test('the broker names its own version and that of the gomqctl beside it', () => {
  const versionOf = (app: string): string =>
    JSON.parse(readFileSync(new URL(`../../../${app}/package.json`, import.meta.url), 'utf8')).version
  expect(GOMQ_VERSION).toBe(versionOf('broker'))
  expect(GOMQCTL_VERSION).toBe(versionOf('gomqctl'))
})
