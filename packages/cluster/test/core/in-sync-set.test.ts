import type { Replica } from '@gomq/cluster'
import type { Epoch, Offset } from '@gomq/protocol'
import { describe, expect, it } from 'vitest'
import { copiesMin, type InSyncFacts, InSyncSet } from '../../src/core/in-sync-set.js'

const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, storeId: `${id}1` })) as [
  Replica,
  Replica,
  Replica,
  Replica,
  Replica,
]

function setOf(...members: Replica[]): InSyncSet {
  return new InSyncSet({ epoch: 1 as Epoch, members, modRevision: 10 })
}

function facts(some: {
  lagging?: Replica[]
  caughtUp?: Replica[]
  replicas?: number
  synced?: Record<string, number>
}): InSyncFacts {
  return {
    leader: a,
    replicas: some.replicas ?? 3,
    caughtUp: some.caughtUp ?? [],
    isLagging: (replica) => some.lagging?.includes(replica) ?? false,
    syncedOf: (replica) => (some.synced?.[replica.id] ?? 0) as Offset,
  }
}

const key = (members: Replica[], modRevision: number) => ({ epoch: 1 as Epoch, members, modRevision })

describe('what is asked for', () => {
  it('f + 1 of 2f + 1 copies must hold what is committed', () => {
    expect([1, 2, 3, 4, 5].map(copiesMin)).toEqual([1, 2, 2, 3, 3])
  })
  it('a member that lags leaves, one that has caught up comes in', () => {
    expect(setOf(a, b, c).propose(facts({ lagging: [c] }))).toEqual([a, b])
    expect(setOf(a, b).propose(facts({ caughtUp: [c] }))).toEqual([a, b, c])
    expect(setOf(a, b, c).propose(facts({}))).toBeUndefined()
  })
  it('[R6] the set never falls below f + 1: the ones that lag least stay', () => {
    expect(setOf(a, b).propose(facts({ lagging: [b] }))).toBeUndefined()
    expect(setOf(a, b, c).propose(facts({ lagging: [b, c], synced: { b: 5, c: 9 } }))).toEqual([a, c])
    expect(
      setOf(a, b, c, d, e).propose(facts({ replicas: 5, lagging: [c, d, e], synced: { c: 1, d: 7, e: 2 } })),
    ).toEqual([a, b, d])
  })
  it('[R6] one that is lost is replaced by one that has caught up in the same write', () => {
    expect(setOf(a, b).propose(facts({ lagging: [b], caughtUp: [c] }))).toEqual([a, c])
  })
  it('[R12] a new incarnation takes the place of the old one, which does not count towards f + 1', () => {
    const b2 = { id: 'b', storeId: 'b2' }
    expect(setOf(a, b).propose(facts({ caughtUp: [b2] }))).toEqual([a, b2])
    expect(setOf(a, b).propose(facts({ lagging: [b], caughtUp: [b2] }))).toEqual([a, b2])
    expect(setOf(a, b, c).propose(facts({ lagging: [b, c], caughtUp: [b2] }))).toEqual([a, b2])
    expect(
      setOf(a, b, c, d).propose(facts({ replicas: 5, lagging: [c, d], caughtUp: [b2], synced: { d: 1 } })),
    ).toEqual([a, b2, d])
  })
  it('one change at a time', () => {
    const set = setOf(a, b, c)
    set.handleAsked([a, b], 1)
    expect(set.propose(facts({ lagging: [b] }))).toBeUndefined()
  })
})

describe('who counts for the commit', () => {
  const synced = (replica: Replica) => ({ a: 50, b: 40, c: 30 })[replica.id] as Offset

  it('[R5] the slowest of the set bounds it', () => {
    expect(setOf(a, b).commitPoint(synced)).toBe(40)
    expect(setOf(a, b, c).commitPoint(synced)).toBe(30)
  })
  it('[R8] who is being removed counts until the coordinator has confirmed it', () => {
    const set = setOf(a, b, c)
    set.handleAsked([a, b], 1)
    expect(set.commitPoint(synced)).toBe(30)
    set.handleKey(key([a, b], 11))
    expect(set.commitPoint(synced)).toBe(40)
  })
  it('[R8] who is being added counts from the moment of asking', () => {
    const set = setOf(a, b)
    set.handleAsked([a, b, c], 1)
    expect(set.commitPoint(synced)).toBe(30)
  })
  it('[R9a] an unknown outcome is neither: both sets count, and the same is written again', () => {
    const set = setOf(a, b, c)
    set.handleAsked([a, b], 1)
    expect(set.takeUnsettled()).toBeUndefined()
    set.handleUnsettled(1)
    expect(set.union()).toEqual([a, b, c])
    expect(set.takeUnsettled()).toEqual([a, b])
  })
  it('[R9b] a view in which the set has not moved settles nothing: the first write may still arrive', () => {
    const set = setOf(a, b, c)
    set.handleAsked([a, b], 1)
    set.handleUnsettled(1)
    set.handleKey(key([a, b, c], 10))
    expect(set.union()).toEqual([a, b, c])
    expect(set.takeUnsettled()).toEqual([a, b])
  })
  it('[R9c] the late answer to a call that was given up is not heard', () => {
    const set = setOf(a, b, c)
    set.handleAsked([a, b], 1)
    set.handleUnsettled(1)
    set.handleAsked([a, b], 2)
    // The first call's answer: it neither ends the second one nor takes anybody out.
    set.handleUnsettled(1)
    expect(set.takeUnsettled()).toBeUndefined()
    // Nor does a view as old as that call, which comes after the second one was confirmed.
    set.handleKey(key([a, b], 11))
    set.handleAsked([a, b, c], 3)
    set.handleKey(key([a, b, c], 10))
    set.handleUnsettled(2)
    expect([set.members, set.asked, set.modRevision]).toEqual([[a, b], [a, b, c], 11])
    expect(set.takeUnsettled()).toBeUndefined()
  })
})
