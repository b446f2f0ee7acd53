import type { ClusterStatus, ReplicaRole } from '@gomq/cluster'

const ROLE_NUMBERS: { readonly [R in ReplicaRole]: number } = { joining: 0, member: 1, leader: 2, suspended: 3 }

/**
 * The cluster in numbers, for metrics: `clusterRole` is 0 joining, 1 member, 2 leader, 3 suspended; `lag.<id>` is there for each broker whose
 * lag is known, in offsets behind the leader's log end; `elections` counts those that this broker has won since it started.
 */
export function clusterStats(
  status: ClusterStatus,
  { logEndOffset }: { readonly logEndOffset: number },
  { leaderships }: { readonly leaderships: number },
): Record<string, number> {
  const stats: Record<string, number> = {
    clusterRole: ROLE_NUMBERS[status.role],
    epoch: status.epoch,
    logEndOffset,
    elections: leaderships,
    inSyncBrokers: status.brokers.filter(({ isInSync }) => isInSync).length,
  }
  for (const { id, lag } of status.brokers) if (lag !== undefined) stats[`lag.${id}`] = lag
  return stats
}
