import type { ClusterView, ReplicaRecord } from '@gomq/cluster'
import type { Epoch, Offset } from '@gomq/protocol'
import { describe, expect, it } from 'vitest'
import { formationOf, mayCampaign, mismatchOf, nextEpoch } from '../../src/core/election.js'
import type { LogView } from '../../src/core/log-view.js'

const self = { id: 'a', storeId: 'a1' }
const b = { id: 'b', storeId: 'b1' }
const addresses = { tcp: '', http: '', replication: '' }

const view: ClusterView = {
  coordinatorId: 'etcd',
  revision: 20,
  cluster: { uuid: 'u', replicas: 3 },
  inSync: { epoch: 4 as Epoch, members: [self, b], modRevision: 9 },
  leader: undefined,
  brokers: [],
}
const record: ReplicaRecord = {
  clusterUuid: 'u',
  epoch: 3 as Epoch,
  coordinatorId: 'etcd',
  coordinatorRevision: 9,
  isFilling: false,
}

function log(logEndOffset = 10, lastEpoch = 3): LogView {
  const end = logEndOffset as Offset
  const zero = 0 as Offset
  return {
    storeId: 'a1',
    logStartOffset: zero,
    highWatermark: zero,
    syncedOffset: end,
    writtenOffset: end,
    logEndOffset: end,
    epochStarts: [{ epoch: lastEpoch as Epoch, startOffset: zero }],
    snapshotNeededFrom: zero,
  }
}

describe('[R2] a broker refuses', () => {
  it.each([
    ['another coordinator', { ...record, coordinatorId: 'other' }, view, /another one/],
    [
      'a coordinator that went back',
      { ...record, coordinatorRevision: 21 },
      view,
      /went back to revision 20, 21 was seen/,
    ],
    [
      'a coordinator that went back, and that others have written to since',
      { ...record, coordinatorRevision: 12 },
      view,
      /set is of revision 9, one of 12 was seen/,
    ],
    ['a coordinator that has lost the cluster', record, { ...view, cluster: undefined }, /does not know the cluster u/],
    ['another cluster', { ...record, clusterUuid: 'x' }, view, /belongs to the cluster x/],
    ['a cluster, with the log of a broker that was alone', { ...record, clusterUuid: '' }, view, /was alone/],
  ])('%s', (_, known, seen, message) => {
    expect(mismatchOf(known, log(), seen)).toMatch(message)
  })

  it('nothing else', () => {
    expect(mismatchOf(record, log(), view)).toBeUndefined()
    expect(
      mismatchOf({ ...record, clusterUuid: '', coordinatorId: '', coordinatorRevision: 0 }, log(0), view),
    ).toBeUndefined()
  })
})

describe('a cluster forms', () => {
  const broker = (id: string, isEmpty = true) => ({ id, storeId: `${id}1`, addresses, version: '', isEmpty })
  const unformed = (...brokers: ReturnType<typeof broker>[]): ClusterView => ({
    ...view,
    cluster: undefined,
    inSync: undefined,
    brokers,
  })

  it('when f + 1 brokers with empty stores are there, of these', () => {
    expect(formationOf(unformed(broker('a')), self, 3)).toBeUndefined()
    expect(formationOf(unformed(broker('a'), broker('b', false)), self, 3)).toBeUndefined()
    expect(formationOf(unformed(broker('b'), broker('a'), broker('c', false)), self, 3)).toEqual([self, b])
  })
  it('once', () => {
    expect(formationOf({ ...unformed(broker('a'), broker('b')), cluster: view.cluster }, self, 3)).toBeUndefined()
  })
  it('not by one that is not among them', () => {
    expect(formationOf(unformed(broker('b'), broker('c')), self, 3)).toBeUndefined()
  })
})

describe('an election', () => {
  it('[R1] is open to who is in sync, while nobody leads', () => {
    expect(mayCampaign(view, self)).toBe(true)
    expect(mayCampaign({ ...view, leader: { ...b, epoch: 4 as Epoch, addresses, createRevision: 9 } }, self)).toBe(
      false,
    )
  })
  it('[R10] is not open to another store of the same broker', () => {
    expect(mayCampaign(view, { id: 'a', storeId: 'a2' })).toBe(false)
  })
  it('[R19] is not open to who is not in sync', () => {
    expect(mayCampaign(view, { id: 'c', storeId: 'c1' })).toBe(false)
  })
  it('[R1] has an epoch above every one that was seen', () => {
    expect(nextEpoch(view, record, log())).toBe(5)
    expect(nextEpoch(view, { ...record, epoch: 5 as Epoch }, log())).toBe(5)
    expect(nextEpoch(view, { ...record, epoch: 8 as Epoch }, log())).toBe(8)
  })
  it('is not tried with a view that is older than a leader whose records are in the log', () => {
    expect(nextEpoch(view, record, log(10, 5))).toBeUndefined()
  })
})
