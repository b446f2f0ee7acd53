import { expect, test } from 'vitest'
import { pageText } from '../../src/commands/lists.js'
import { bodyOf, dryRunText } from '../../src/commands/policy.js'

const POLICY = {
  filter: 'a/#',
  maxAgeMs: 604_800_000,
  maxBytes: 1024 ** 3,
  maxCount: null,
  isAckedRemoved: false,
  isCompacted: true,
  tombstoneMs: 86_400_000,
  before: 12,
}

test('policies are shown in the units that people set them in', () => {
  expect(pageText('policies', [POLICY], true, false)).toBe(
    'FILTER  AGE  BYTES  COUNT  ACKED  COMPACT  TOMBSTONE  BEFORE\n' +
      'a/#     7d   1GiB          no     yes      1d         12',
  )
  expect(pageText('policies', [{ ...POLICY, isCompacted: false }], false, false)).toBe('a/#\t7d\t1GiB\t\tno\tno\t\t12')
})

test('what no option bounds is not sent', () => {
  expect(bodyOf({ action: 'set', filter: 'a', options: {} })).toEqual({ filter: 'a' })
  const options = { maxAge: 1, maxBytes: 2, maxCount: 3, acked: true, compact: true, tombstone: 0, dryRun: true }
  expect(bodyOf({ action: 'set', filter: 'a', options })).toEqual({
    filter: 'a',
    maxAgeMs: 1,
    maxBytes: 2,
    maxCount: 3,
    isAckedRemoved: true,
    isCompacted: true,
    tombstoneMs: 0,
  })
})

test('a dry run shows what would go: sizes on a terminal, bytes in a pipe', () => {
  const answer = { dryRun: true, before: 12, deadBytes: 2048, liveBytes: 100 }
  expect(dryRunText(answer, true, false)).toBe('REMOVED  KEPT  BEFORE\n2KiB     100B  12')
  expect(dryRunText(answer, false, false)).toBe('2048\t100\t12')
  expect(dryRunText(answer, true, true)).toBe(JSON.stringify(answer))
})
