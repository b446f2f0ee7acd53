import type { ClusterView, Coordinator, Replica, ReplicaLog, Transport } from '@gomq/cluster'
import { changedTransport, changedViews, sameMessage } from '@gomq/cluster/testing'
import type { Epoch, Offset } from '@gomq/protocol'
import type { Log } from '@gomq/storage'
import type { Plant } from '../plant.js'

/** What a plant sees beside its port. */
export interface Planted {
  readonly plant: Plant | null
  readonly id: string
  readonly log: Log
  /** Whether the broker leads. */
  isLeading(): boolean
  /** The epoch that the broker knows. */
  epoch(): Epoch
  /** Identities of the stores of all brokers. */
  replicas(): readonly Replica[]
}

/** The log of a broker as replication sees it, with the planted bug: a leader counts itself for what it has written and not yet synced. */
export function plantedLog(replicated: ReplicaLog, { plant, log, isLeading }: Planted): ReplicaLog {
  if (plant !== 'unsynced-leader') return replicated
  const lies: PropertyDescriptorMap & ThisType<ReplicaLog> = {
    syncedOffset: { get: () => (isLeading() ? log.writtenOffset : log.syncedOffset) },
    // The log itself would not have it.
    setHighWatermark: {
      value: (offset: Offset) =>
        replicated.setHighWatermark(Math.max(log.highWatermark, Math.min(offset, log.syncedOffset)) as Offset),
    },
  }
  return Object.create(replicated, lies)
}

/** The links of a broker, with the planted bug. */
export function plantedTransport(transport: Transport, planted: Planted): Transport {
  const { plant, log } = planted
  if (plant === 'early-confirmations')
    return changedTransport(transport, sameMessage, (message) =>
      message.kind === 'synced' ? { ...message, offset: log.logEndOffset } : message,
    )
  if (plant === 'no-epoch-check')
    return changedTransport(transport, (message) => {
      const known = planted.epoch()
      return message.kind === 'hello' && message.epoch < known ? { ...message, epoch: known } : message
    })
  if (plant === 'no-truncation')
    return changedTransport(transport, (message) =>
      message.kind === 'welcome' ? { ...message, epochStarts: log.epochStarts } : message,
    )
  return transport
}

/** A broker's way to the coordinator, with the planted bug. */
export function plantedCoordinator(coordinator: Coordinator, { plant, id, log, replicas }: Planted): Coordinator {
  const isMine = (view: ClusterView) =>
    view.inSync?.members.some((each) => each.id === id && each.storeId === log.storeId) === true
  if (plant === 'stale-in-sync-set') {
    let last: ClusterView['inSync']
    const remembered = (view: ClusterView): ClusterView => {
      if (isMine(view)) last = view.inSync
      if (view.leader !== undefined || last === undefined || view.inSync === undefined) return view
      return { ...view, inSync: { ...last, modRevision: view.inSync.modRevision } }
    }
    return changedViews(coordinator, remembered)
  }
  if (plant === 'unclean-election')
    return changedViews(coordinator, (view) => {
      if (view.inSync === undefined || view.leader !== undefined) return view
      return { ...view, inSync: { ...view.inSync, members: replicas() } }
    })
  return coordinator
}
