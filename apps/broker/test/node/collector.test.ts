import { expect, test } from 'vitest'
import { growthPercent } from '../../src/node/collector.js'

const MIB = 1024 * 1024

test('a small heap may grow by 64 MiB, a tiny one elevenfold, a large one as V8 has it', () => {
  expect(growthPercent(1 * MIB)).toBe(1000)
  expect(growthPercent(8 * MIB)).toBe(800)
  expect(growthPercent(32 * MIB)).toBe(200)
  expect(growthPercent(64 * MIB)).toBe(100)
  expect(growthPercent(65 * MIB)).toBe(0)
  expect(growthPercent(4096 * MIB)).toBe(0)
})
