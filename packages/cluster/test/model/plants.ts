import type { Coordinator, Transport } from '@gomq/cluster'
import {
  changedCoordinator,
  changedTransport,
  changedViews,
  type MemoryReplicaLog,
  type SimCoordinator,
} from '@gomq/cluster/testing'
import type { Offset } from '@gomq/protocol'
import { InSyncSet } from '../../src/core/in-sync-set.js'
import { LeaderLease } from '../../src/core/lease.js'
import { MemberProgress } from '../../src/core/member-progress.js'
import type { Disk, Node } from '../support/node.js'

/** What a plant sees of the world. */
export interface PlantedWorld {
  readonly coordinator: SimCoordinator
  readonly places: readonly { readonly id: string; readonly disk: Disk }[]
}

/** A rule that is switched off, outside the product: a port that lies, or a method that is replaced. */
export interface Plant {
  readonly coordinator?: (coordinator: Coordinator, world: PlantedWorld) => Coordinator
  readonly transport?: (transport: Transport, node: () => Node, world: PlantedWorld) => Transport
  readonly log?: (log: MemoryReplicaLog, node: () => Node) => MemoryReplicaLog
  readonly node?: (node: Node) => void
  /** R10: a wiped disk keeps its identity. */
  readonly keepsStoreId?: boolean
  /** Replaces methods of the product for all replicas of a run. @returns puts them back */
  readonly patch?: () => () => void
}

/** Every rule, switched off; the rules' names as in the table of the reliability rules. */
export const PLANTS: { readonly [rule: string]: Plant } = {
  'R3 off: members take older epochs': {
    transport: (transport, node) =>
      changedTransport(transport, (message) => {
        const known = node().replication.status.epoch
        return message.kind === 'hello' && message.epoch < known ? { ...message, epoch: known } : message
      }),
  },
  'R3 off: the epoch is not on the disk': {
    node(node) {
      const { records } = node
      const save = records.save.bind(records)
      records.save = (record) => save({ ...record, epoch: (records.saved?.epoch ?? 0) as typeof record.epoch })
    },
  },
  'R4 off at members: confirmed before it is synced': { log: unsynced((node) => node.leadingEpoch === undefined) },
  'R4 off at the leader: it counts what it has not synced': {
    log: unsynced((node) => node.leadingEpoch !== undefined),
  },
  'R6 off: the set may shrink below f + 1': {
    coordinator: (coordinator) =>
      changedViews(coordinator, (view) =>
        view.cluster === undefined ? view : { ...view, cluster: { ...view.cluster, replicas: 1 } },
      ),
  },
  'R7 off: the set is written whoever leads': {
    coordinator: (coordinator, { coordinator: { store } }) =>
      changedCoordinator(coordinator, {
        changeInSync: (request) => {
          const { leader, inSync } = store.view()
          return coordinator.changeInSync({
            ...request,
            leaderRevision: leader?.createRevision ?? request.leaderRevision,
            inSyncRevision: inSync!.modRevision,
          })
        },
      }),
  },
  'R8 off: who is being removed counts no more': {
    patch: () =>
      replaced(InSyncSet.prototype, 'union', function (this: InSyncSet) {
        return this.asked ?? this.members
      }),
  },
  'R8 off: who is being added does not count yet': {
    patch: () =>
      replaced(InSyncSet.prototype, 'union', function (this: InSyncSet) {
        return this.members
      }),
  },
  'R9a off: an unknown outcome is taken for a failure': {
    patch: () => replaced(InSyncSet.prototype, 'handleUnsettled', forgetAsked),
  },
  'R9b off: an unknown outcome is settled by a read': {
    patch: () => {
      const handleKey = InSyncSet.prototype.handleKey
      return replaced(InSyncSet.prototype, 'handleKey', function (this: InSyncSet, key) {
        handleKey.call(this, key)
        if (this.takeUnsettled() !== undefined) forgetAsked.call(this)
      })
    },
  },
  'R10 off: a wiped disk keeps its identity': { keepsStoreId: true },
  'R11 off: added before it has caught up': {
    patch: () =>
      replaced(MemberProgress.prototype, 'isCaughtUp', function (this: MemberProgress) {
        return this.state === 'streaming' && this.hasConfirmed
      }),
  },
  'R13 off: members cut at their high watermark': {
    transport: (transport) =>
      changedTransport(transport, (message) => {
        if (message.kind !== 'welcome') return message
        const end = message.highWatermark
        const epochStarts = message.epochStarts.filter(({ startOffset }) => startOffset < end)
        return { ...message, logEndOffset: end, epochStarts }
      }),
  },
  'R13 off: histories are compared by their length': {
    transport: (transport, node) =>
      changedTransport(transport, (message) =>
        message.kind === 'welcome' ? { ...message, epochStarts: node().log.epochStarts } : message,
      ),
  },
  'R17 off: the lease has no deadline': {
    patch: () => replaced(LeaderLease.prototype, 'isValid', () => true),
  },
  'R19 off: anybody may be elected': {
    coordinator: (coordinator, world) =>
      changedViews(coordinator, (view) => {
        // It lies only to who is registered and not in the set: to each client the same, as all of them are members of it then.
        if (view.inSync === undefined || view.leader !== undefined) return view
        const members = world.places.map(({ id, disk }) => ({ id, storeId: disk.log.storeId }))
        return { ...view, inSync: { ...view.inSync, members } }
      }),
  },
}

/** What a replica that believes in failure would do: what was asked for counts no more. */
function forgetAsked(this: InSyncSet): void {
  const key = { epoch: 0, members: this.members, modRevision: this.modRevision + 0.25 } as Parameters<
    InSyncSet['handleKey']
  >[0]
  originalHandleKey.call(this, key)
}

const originalHandleKey = InSyncSet.prototype.handleKey

function replaced<T extends object, K extends keyof T>(prototype: T, name: K, method: T[K]): () => void {
  const original = prototype[name]
  prototype[name] = method
  return () => {
    prototype[name] = original
  }
}

/** A log that says that all of it is synced, to a node of which `lies` holds; a crash takes what was not. */
function unsynced(lies: (node: Node) => boolean): NonNullable<Plant['log']> {
  return (log, node) => {
    const { append, sync, crash } = log
    let durable = log.logEndOffset
    log.append = (batch) => {
      append.call(log, batch)
      if (lies(node())) sync.call(log)
    }
    log.sync = (to = log.logEndOffset) => {
      durable = Math.min(to, log.logEndOffset) as Offset
      sync.call(log, to)
    }
    log.crash = () => {
      const stored = crash.call(log)
      const entries = stored.entries.filter((entry) => entry.nextOffset <= durable)
      const end = entries.at(-1)?.nextOffset ?? stored.logStartOffset
      return {
        ...stored,
        entries,
        highWatermark: Math.min(stored.highWatermark, end) as Offset,
        epochStarts: stored.epochStarts.filter(({ startOffset }) => startOffset < end),
      }
    }
    return log
  }
}
