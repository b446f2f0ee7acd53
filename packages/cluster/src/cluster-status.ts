import type { Epoch, Offset } from '@gomq/protocol'
import type { BrokerAddresses, ClusterView, Replica as Copy } from './cluster-view.js'
import { copiesMin } from './core/in-sync-set.js'
import type { LogView } from './core/log-view.js'
import type { Replica } from './core/replica.js'
import { includesReplica, isSameReplica } from './core/same-replica.js'
import type { BrokerStatus, ClusterStatus } from './replication.js'

/** What a status is made of. */
export interface StatusFacts {
  readonly id: string
  readonly addresses: BrokerAddresses
  readonly version: string
  readonly startedAtMs: number | undefined
  readonly replicas: number
  readonly log: LogView
  /** Undefined until the record is loaded. */
  readonly replica: Replica | undefined
  /** For how long the coordinator has not answered; undefined if it does. */
  readonly coordinatorFailedMs: number | undefined
}

/** The cluster as one broker sees it at `nowMs` on the monotonic clock. */
export function statusOf(facts: StatusFacts, nowMs: number): ClusterStatus {
  const { replica, log } = facts
  const view = replica?.view
  return {
    clusterUuid: replica?.records.current.clusterUuid ?? '',
    replicas: view?.cluster?.replicas ?? facts.replicas,
    epoch: replica?.epoch ?? (0 as Epoch),
    role: replica?.role ?? 'joining',
    leaderId: replica?.leadership === undefined ? view?.leader?.id : facts.id,
    highWatermark: log.highWatermark,
    brokers: brokersOf(facts, view),
    trouble: troubleOf(facts, view, nowMs),
  }
}

function brokersOf(facts: StatusFacts, view: ClusterView | undefined): BrokerStatus[] {
  const { replica } = facts
  const self = { id: facts.id, storeId: facts.log.storeId }
  const known: Copy[] = [self]
  for (const copy of [...(view?.brokers ?? []), ...(view?.inSync?.members ?? [])])
    if (!includesReplica(known, copy)) known.push({ id: copy.id, storeId: copy.storeId })
  const end = facts.log.logEndOffset
  return known.map((copy) => {
    const isSelf = isSameReplica(copy, self)
    const registered = view?.brokers.find((broker) => isSameReplica(broker, copy))
    const member = replica?.leadership?.members.get(copy.id)
    const confirmed = member !== undefined && isSameReplica(member.replica, copy) && member.hasConfirmed
    const logEndOffset: Offset | undefined = isSelf ? end : confirmed ? member.syncedOffset : undefined
    const isLeading = view?.leader !== undefined && isSameReplica(view.leader, copy)
    const hasLeft = registered === undefined && !isSelf
    return {
      ...copy,
      role: isSelf ? (replica?.role ?? 'joining') : isLeading ? 'leader' : hasLeft ? 'gone' : 'member',
      addresses: isSelf ? facts.addresses : registered?.addresses,
      version: isSelf ? facts.version : (registered?.version ?? ''),
      startedAtMs: isSelf ? facts.startedAtMs : registered?.startedAtMs,
      isInSync: includesReplica(view?.inSync?.members ?? [], copy),
      logEndOffset,
      lag: replica?.leadership === undefined || logEndOffset === undefined ? undefined : end - logEndOffset,
    }
  })
}

function troubleOf(facts: StatusFacts, view: ClusterView | undefined, nowMs: number): string | undefined {
  const { replica, coordinatorFailedMs } = facts
  if (replica === undefined || view === undefined) return 'the coordinator has not answered yet'
  if (coordinatorFailedMs !== undefined)
    return `the coordinator has not answered for ${Math.round(coordinatorFailedMs / 1000)} s`
  if (view.cluster === undefined) {
    const empty = view.brokers.filter((broker) => broker.isEmpty).length
    return `the cluster forms when ${copiesMin(facts.replicas)} brokers with empty data directories are there; ${empty} are`
  }
  const { leadership } = replica
  if (leadership === undefined) return view.leader === undefined ? 'nobody leads' : undefined
  if (replica.role === 'suspended') return 'the lease has run out'
  const lagging = leadership.inSync.members.filter(
    (copy) => !isSameReplica(copy, replica.self) && leadership.isLagging(copy, nowMs),
  )
  if (lagging.length === 0) return undefined
  return `nothing commits: ${lagging.map(({ id }) => id).join(', ')} must confirm, as fewer than ${copiesMin(view.cluster.replicas)} others are in sync`
}
