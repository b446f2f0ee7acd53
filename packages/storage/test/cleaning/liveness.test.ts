import { type Offset, offset, RETENTION_DEFAULTS } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { type BatchFacts, isDeadBatch } from '../../src/cleaning/liveness.js'
import { NO_RULE, RuleBook } from '../../src/cleaning/rules.js'

const book = new RuleBook({
  rules: [
    { policy: { ...RETENTION_DEFAULTS, filter: 'a/#' }, before: offset(50) },
    { policy: { ...RETENTION_DEFAULTS, filter: 'a/b' }, before: offset(80) },
  ],
  pinned: Float64Array.of(45, 10, 20),
  cleanableTo: offset(100),
  nowMs: 1_000_000,
})

const batch = (baseOffset: number, endOffset: number, facts: Partial<BatchFacts> = {}): BatchFacts => ({
  baseOffset: baseOffset as Offset,
  endOffset: endOffset as Offset,
  isControl: false,
  rule: 0,
  expiresAtMs: 0,
  ...facts,
})

test('nothing is said to be dead by rules that do not know what is pinned', () => {
  const { pinned: _, ...rules } = { rules: book.rules, pinned: 0, cleanableTo: book.cleanableTo, nowMs: book.nowMs }
  expect(() => isDeadBatch(batch(40, 50), new RuleBook(rules))).toThrow('not gathered')
})

describe('a batch', () => {
  test.each<[string, boolean, BatchFacts]>([
    ['that ends at its floor is dead', true, batch(40, 50)],
    ['that reaches beyond its floor lives', false, batch(49, 51)],
    ['that ends at the floor of a more specific rule is dead', true, batch(70, 80, { rule: 1 })],
    ['that no rule governs lives', false, batch(0, 5, { rule: NO_RULE })],
    ['that is pinned lives below its floor', false, batch(20, 21)],
    ['beside a pinned one is dead', true, batch(21, 22)],
    ['of control records is dead', true, batch(60, 61, { isControl: true, rule: NO_RULE })],
    ['of control records that ends above what may be cleaned lives', false, batch(99, 101, { isControl: true })],
    ['below its floor that ends above what may be cleaned lives', false, batch(99, 101, { rule: 1 })],
    ['that expired a minute ago is dead', true, batch(60, 61, { expiresAtMs: 940_000 })],
    ['that expired less than a minute ago lives', false, batch(60, 61, { expiresAtMs: 940_001 })],
    ['that expired and is pinned lives', false, batch(45, 46, { expiresAtMs: 1 })],
  ])('%s', (_, isDead, facts) => {
    expect(isDeadBatch(facts, book)).toBe(isDead)
  })

  test('is governed by the most specific rule of its topic', () => {
    expect([book.ruleFor('a/b'), book.ruleFor('a/c'), book.ruleFor('b')]).toEqual([1, 0, NO_RULE])
  })
})
