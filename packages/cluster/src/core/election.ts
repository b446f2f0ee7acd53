import type { Epoch } from '@gomq/protocol'
import type { ClusterView, Replica } from '../cluster-view.js'
import type { ReplicaRecord } from '../replica-log.js'
import { copiesMin } from './in-sync-set.js'
import type { LogView } from './log-view.js'
import { includesReplica, isSameReplica } from './same-replica.js'

/**
 * Why a broker may neither lead nor follow with this view of the coordinator (R2): the coordinator, the cluster or the data directory is
 * not the one that belongs to the others. Undefined if all is well.
 */
export function mismatchOf(record: ReplicaRecord, log: LogView, view: ClusterView): string | undefined {
  const way = `nothing was changed, the log ends at ${log.logEndOffset} with epoch ${log.epochStarts.at(-1)?.epoch ?? 0}; see docs/operating/cluster.md, "recover"`
  if (record.coordinatorId !== '' && record.coordinatorId !== view.coordinatorId)
    return `the coordinator is another one (${view.coordinatorId}, was ${record.coordinatorId}): etcd was wiped or restored; ${way}`
  if (view.revision < record.coordinatorRevision)
    return `the coordinator went back to revision ${view.revision}, ${record.coordinatorRevision} was seen: etcd was restored; ${way}`
  if (record.clusterUuid !== '' && view.cluster === undefined)
    return `the coordinator does not know the cluster ${record.clusterUuid} of this data directory: etcd was wiped, or the cluster's name is another; ${way}`
  if (view.cluster === undefined) return undefined
  if (record.clusterUuid !== '' && record.clusterUuid !== view.cluster.uuid)
    return `the data directory belongs to the cluster ${record.clusterUuid}, the coordinator has ${view.cluster.uuid}; ${way}`
  // Each write of the set and of the leader's key moves the set on, and nothing else does: whoever writes to etcd after a restore cannot hide it.
  if (view.inSync !== undefined && view.inSync.modRevision < record.coordinatorRevision)
    return `the coordinator's in-sync set is of revision ${view.inSync.modRevision}, one of ${record.coordinatorRevision} was seen: etcd was restored; ${way}`
  if (record.clusterUuid === '' && log.logEndOffset > 0)
    return 'the data directory holds messages of a broker that was alone; start this broker with an empty one'
  return undefined
}

/**
 * The members with which a cluster forms, once: everybody who has registered with an empty store, when they are f + 1, n at most. Undefined
 * until then, and on a broker that is none of them.
 */
export function formationOf(view: ClusterView, self: Replica, replicas: number): readonly Replica[] | undefined {
  if (view.cluster !== undefined) return undefined
  const empty = view.brokers
    .filter((broker) => broker.isEmpty)
    .map(({ id, storeId }) => ({ id, storeId }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .slice(0, replicas)
  return empty.length >= copiesMin(replicas) && includesReplica(empty, self) ? empty : undefined
}

/** Whether a broker may ask to lead (R1): nobody does, and it is in sync with this very store (R10). Never anybody else (R19). */
export function mayCampaign(view: ClusterView, self: Replica): boolean {
  return view.leader === undefined && view.inSync !== undefined && includesReplica(view.inSync.members, self)
}

/**
 * The epoch to campaign with: above that of the last leader and every epoch on this disk (R1); one that was saved for a campaign that came to nothing is
 * used again, as the set shows that nobody has won it.
 *
 * Undefined if the log holds records of an epoch that the view does not know: the view is older than that leader. A campaign with it would be
 * refused, and an epoch above that of a leader who still leads, once saved, would keep this broker from following it.
 */
export function nextEpoch(view: ClusterView, record: ReplicaRecord, log: LogView): Epoch | undefined {
  const won = view.inSync?.epoch ?? 0
  if ((log.epochStarts.at(-1)?.epoch ?? 0) > won) return undefined
  return Math.max(won + 1, record.epoch) as Epoch
}

/** Whether the leader's key is this copy's. */
export function isOwnKey(view: ClusterView, self: Replica): boolean {
  return view.leader !== undefined && isSameReplica(view.leader, self)
}
