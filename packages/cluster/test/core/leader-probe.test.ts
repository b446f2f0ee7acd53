import type { LeaderKey } from '@gomq/cluster'
import type { Epoch } from '@gomq/protocol'
import { describe, expect, it } from 'vitest'
import { LeaderProbe } from '../../src/core/leader-probe.js'
import type { Ready } from '../../src/core/ready.js'

const addresses = { tcp: '', http: '', replication: 'a:7000' }
const leader: LeaderKey = { id: 'a', storeId: 'a1', epoch: 3 as Epoch, addresses, createRevision: 5 }
const probe: Ready = { kind: 'probe', address: 'a:7000', leaderRevision: 5 }

function made() {
  const emitted: Ready[] = []
  return { emitted, leaderProbe: new LeaderProbe((ready) => void emitted.push(ready)) }
}

describe('a leader whose link has closed', () => {
  it('is tried once at a time, and again after it failed: a process that ends closes its listener when it likes', () => {
    const { emitted, leaderProbe } = made()
    leaderProbe.proceed(leader)
    expect(emitted).toEqual([])
    leaderProbe.suspect(leader)
    leaderProbe.proceed(leader)
    expect(emitted).toEqual([probe])
    expect(leaderProbe.handleProbed('failed')).toBe(false)
    leaderProbe.proceed(leader)
    expect(emitted).toEqual([probe, probe])
    expect(leaderProbe.handleProbed('refused')).toBe(true)
    leaderProbe.proceed(leader)
    expect(emitted).toHaveLength(2)
  })

  it('is left alone when it answers, has come back, or leads no more', () => {
    for (const end of ['open', 'clear', 'other'] as const) {
      const { emitted, leaderProbe } = made()
      leaderProbe.suspect(leader)
      leaderProbe.handleProbed(end === 'open' ? 'open' : 'failed')
      if (end === 'clear') leaderProbe.clear()
      leaderProbe.proceed(end === 'other' ? { ...leader, createRevision: 9 } : leader)
      leaderProbe.proceed(undefined)
      expect(emitted, end).toEqual([probe])
    }
  })
})
