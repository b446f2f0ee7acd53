import { type Offset, RETENTION_DEFAULTS } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { type Floors, Policies, thinnedBounds } from '../src/policies.js'

function withPolicies(...filters: string[]): Policies {
  const policies = new Policies()
  for (const [i, filter] of filters.entries())
    policies.apply({ kind: 'policy', policy: { ...RETENTION_DEFAULTS, filter, maxCount: i + 1 } }, i + 1)
  return policies
}

const tick = (policies: Policies, offset: number, filter: string, before: number) =>
  policies.apply({ kind: 'retentionTick', floors: [[filter, before as Offset]] }, offset)

test('the most specific policy governs a topic', () => {
  const policies = withPolicies('#', 'a/#', 'a/b')
  expect(['a/b', 'a/c', 'd'].map((topic) => policies.for(topic)?.filter)).toEqual(['a/b', 'a/#', '#'])
  expect(new Policies().for('a')).toBe(undefined)
})

test('a floor only rises, and stays when its policy is replaced', () => {
  const policies = withPolicies('a')
  tick(policies, 10, 'a', 100)
  tick(policies, 11, 'a', 50)
  policies.apply({ kind: 'policy', policy: { ...RETENTION_DEFAULTS, filter: 'a', maxAgeMs: 1 } }, 12)
  expect(policies.get('a')).toMatchObject({ before: 100, policy: { maxAgeMs: 1, maxCount: null } })
  expect(policies.floorMax).toBe(100)
})

test('a removed policy leaves no floor, but it is remembered how far it had cleaned', () => {
  const policies = withPolicies('a', 'b')
  tick(policies, 10, 'a', 100)
  tick(policies, 11, 'b', 20)
  policies.apply({ kind: 'removePolicy', filter: 'a' }, 12)
  policies.apply({ kind: 'policy', policy: { ...RETENTION_DEFAULTS, filter: 'a' } }, 13)
  expect(policies.get('a')?.before).toBe(0)
  expect(policies.floorMax).toBe(20)
  expect(policies.floors.removed).toBe(100)
})

test('a tick for a policy that is gone changes nothing', () => {
  const policies = withPolicies('a')
  tick(policies, 10, 'b', 100)
  expect([policies.floorMax, policies.count]).toEqual([0, 1])
})

test('the version changes with the policies and not with their floors', () => {
  const policies = withPolicies('a')
  const { version } = policies
  tick(policies, 10, 'a', 100)
  expect(policies.version).toBe(version)
  policies.apply({ kind: 'removePolicy', filter: 'a' }, 11)
  expect(policies.version).not.toBe(version)
})

test('the floors of a moment stay as they were', () => {
  const policies = withPolicies('a')
  const before = policies.floors
  tick(policies, 10, 'a', 100)
  expect(before.byFilter.get('a') ?? 0).toBe(0)
  expect(policies.floors.byFilter.get('a')).toBe(100)
})

test('something of a subscription may be gone below the highest floor of a policy that overlaps it, above what it knew', () => {
  const floors = (byFilter: Record<string, number>, removed = 0): Floors => ({
    byFilter: new Map(Object.entries(byFilter)),
    removed,
  })
  const now = floors({ 'a/#': 500, b: 900 })
  expect(thinnedBounds(now, ['a/+'], undefined)).toEqual({ from: 0, to: 500 })
  expect(thinnedBounds(now, ['#'], undefined)).toEqual({ from: 0, to: 900 })
  expect(thinnedBounds(now, ['a/+'], floors({ 'a/#': 200 }))).toEqual({ from: 200, to: 500 })
  expect(thinnedBounds(now, ['a/+'], now)).toEqual({ from: 0, to: 0 })
  expect(thinnedBounds(now, ['c'], undefined)).toEqual({ from: 0, to: 0 })
  expect(thinnedBounds(floors({}, 300), ['c'], undefined)).toEqual({ from: 0, to: 300 })
})
