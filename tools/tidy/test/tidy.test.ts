import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { format, RULES } from '../src/tidy.js'
import { readTree } from '../src/tree.js'

const started = process.cpuUsage()
const tree = readTree(fileURLToPath(new URL('../../..', import.meta.url)))

describe('the repository keeps the house style', () => {
  test.each(Object.entries(RULES))('%s', (_, rule) => {
    expect(rule(tree).map(format)).toEqual([])
  })

  test('every folder of sources was read', () => {
    for (const home of [
      'packages/protocol',
      'packages/storage',
      'packages/engine',
      'packages/client',
      'apps/broker',
      'apps/gomqctl',
      'sim',
      'bench',
      'e2e',
    ])
      expect(
        [...tree.values()].some((file) => file.home === home),
        home,
      ).toBe(true)
  })

  test('all of it takes less than five seconds of processor, so that nobody is tempted to leave it out', () => {
    const { user, system } = process.cpuUsage(started)
    expect((user + system) / 1000).toBeLessThan(5000)
  })
})
