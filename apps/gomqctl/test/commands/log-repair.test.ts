import type { RepairPlan } from '@gomq/storage'
import { expect, test } from 'vitest'
import { planText } from '../../src/commands/log-repair.js'

const plan = {
  steps: ['write it'],
  losses: [{ severity: 'damage', file: 'log/1.log', what: 'damaged batches', offsets: [3, 5] }],
  consequences: ['a new identity'],
  isNewIdentity: true,
  logStartOffset: 0,
  logEndOffset: 9,
} as unknown as RepairPlan

test('a plan says what is done, what is lost and what follows', () => {
  expect(planText(plan, false, false)).toBe(
    'do\twrite it\nlost\tlog/1.log: damaged batches, offsets 3..5\nthen\ta new identity\n',
  )
  expect(JSON.parse(planText(plan, true, true))).toMatchObject({
    isApplied: true,
    steps: ['write it'],
    logEndOffset: 9,
  })
})
