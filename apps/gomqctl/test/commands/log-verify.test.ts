import type { Finding, Verification } from '@gomq/storage'
import { expect, test } from 'vitest'
import { findingsText, findingText, summaryText } from '../../src/commands/log-verify.js'

const finding = {
  severity: 'damage',
  file: 'log/1.log',
  what: 'damaged batches',
  bytes: [10, 20],
  offsets: [3, null],
  batches: 2,
  topics: ['a\u001b', 'b/'.padEnd(60, 'c')],
} as unknown as Finding
const verification = {
  findings: [finding, { severity: 'harmless', file: 'x.tmp', what: 'left' }],
  isDamaged: true,
  segments: 1,
  batches: 5,
  records: 9,
  bytes: 99,
  logStartOffset: 0,
  logEndOffset: 9,
  snapshots: 0,
} as unknown as Verification

test('findings are fields in a pipe, a table on a terminal and objects with a summary behind them as JSON', () => {
  const [line, other] = findingsText(verification, false, false).split('\n')
  expect(line!.split('\t')).toEqual([
    'damage',
    'log/1.log',
    '10..20',
    '3..?',
    '2',
    `a\\u001b b/${'c'.repeat(58)}`,
    'damaged batches',
  ])
  expect(other).toBe('harmless\tx.tmp\t\t\t\t\tleft')
  const table = findingsText(verification, true, false)
  expect(table).toMatch(/^SEVERITY +FILE/)
  expect(table).toContain('…')
  const objects = findingsText(verification, true, true).trim().split('\n')
  expect(objects.map((each) => JSON.parse(each))).toMatchObject([
    { severity: 'damage', offsets: [3, null] },
    { severity: 'harmless' },
    { isDamaged: true, segments: 1, logEndOffset: 9 },
  ])
  expect(findingsText({ ...verification, findings: [] }, true, false)).toBe('')
})

test('one line says how the directory is', () => {
  expect(summaryText(verification)).toBe(
    'offsets 0 to 9: 1 segments, 5 batches, 9 records, 99 bytes; damaged in one place',
  )
  expect(summaryText({ ...verification, isDamaged: false })).toMatch(/; clean$/)
  expect(findingText(finding)).toMatch(
    /^log\/1\.log: damaged batches, offsets 3\.\.\?, bytes 10\.\.20, batches 2, topics a/,
  )
})
