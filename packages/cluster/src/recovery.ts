import { type Epoch, GomqError, invariant, type Offset } from '@gomq/protocol'
import type { ClusterView, Replica } from './cluster-view.js'
import type { Coordinator } from './coordinator.js'
import { mismatchOf } from './core/election.js'
import type { LogView } from './core/log-view.js'
import { includesReplica } from './core/same-replica.js'
import type { ReplicaRecord, ReplicaRecordStore } from './replica-log.js'

/** What {@link recoverCluster} works with. */
export interface RecoveryOptions {
  /** Of this broker. */
  readonly id: string
  /** n, if the coordinator does not know the cluster any more. */
  readonly replicas: number
  readonly coordinator: Coordinator
  readonly log: LogView
  readonly records: ReplicaRecordStore
  /** What the operator has looked at. */
  readonly word: RecoveryWord
}

/**
 * An operator's word, as a refusal gives it: where this log ends, and the epoch of the in-sync set that the coordinator shows (0: none). Every later reign raises that
 * epoch, so that the word holds once.
 */
export interface RecoveryWord {
  readonly end: Offset
  /** Undefined: not given; the word is refused. */
  readonly epoch: number | undefined
}

/**
 * Makes this copy of the log the whole in-sync set, on an operator's word, where nobody in sync is left or the coordinator is not the one that knew
 * them (R2, R19). The cluster goes on with what this copy holds; what only others have is lost. It commits nothing before f + 1 copies are in sync again.
 *
 * Where there is nothing to recover, since this copy is in sync or the others are, nothing happens: a broker that is started again with the same option is no
 * danger. A crash at any moment is mended by doing it again.
 *
 * @returns whether it was done
 * @throws GomqError CONFIG_INVALID           somebody leads or can; or the log ends elsewhere, or holds no state: nothing was changed
 * @throws GomqError COORDINATOR_UNAVAILABLE  or it did not answer the write: to be done again
 */
export async function recoverCluster(options: RecoveryOptions): Promise<boolean> {
  const { id, coordinator, log, records } = options
  const record = await records.load()
  const view = await coordinator.read()
  const self = { id, storeId: log.storeId }
  const others = othersThatCan(view, self)
  const isKnown = record === undefined || mismatchOf(record, log, view) === undefined
  if (isKnown && (others !== undefined || includesReplica(view.inSync?.members ?? [], self))) return false
  refuse(others ?? reasonAgainst(options, self, record, view))
  invariant(record !== undefined, 'a copy without a record holds no state')
  const epoch = Math.max(record.epoch, log.epochStarts.at(-1)?.epoch ?? 0, view.inSync?.epoch ?? 0) as Epoch
  const cluster = { uuid: record.clusterUuid, replicas: view.cluster?.replicas ?? options.replicas }
  const outcome = await coordinator.appoint({
    cluster,
    epoch,
    member: self,
    inSyncRevision: view.inSync?.modRevision ?? 0,
  })
  if (outcome.kind === 'unknown')
    throw new GomqError(
      'COORDINATOR_UNAVAILABLE',
      'the coordinator did not say whether the cluster is recovered; start the broker in the same way again',
    )
  if (outcome.kind === 'refused') refuse('the cluster has changed meanwhile')
  const { coordinatorId } = outcome.view
  await records.save({ ...record, epoch, coordinatorId, coordinatorRevision: outcome.view.inSync?.modRevision ?? 0 })
  return true
}

/** Who leads, or is in sync and runs; undefined if nobody but this copy does. */
function othersThatCan({ leader, inSync, brokers }: ClusterView, self: Replica): string | undefined {
  if (leader !== undefined && leader.id !== self.id)
    return `${leader.id} leads; if it is lost, wait until its lease has run out`
  const living = inSync?.members.find((member) => member.id !== self.id && includesReplica(brokers, member))
  return living && `${living.id} is in sync and runs: it can lead`
}

/** Why this copy may not take the cluster over, whatever the others are. */
function reasonAgainst(
  { log, word }: RecoveryOptions,
  self: Replica,
  record: ReplicaRecord | undefined,
  { cluster, inSync }: ClusterView,
): string | undefined {
  if (record === undefined || record.clusterUuid === '' || log.logEndOffset === 0)
    return 'this data directory belongs to no cluster, there is nothing in it to recover from'
  if (record.isFilling) return 'this copy was being filled anew and has no state; recover from another one'
  if (cluster !== undefined && cluster.uuid !== record.clusterUuid)
    return `the coordinator has another cluster of that name, ${cluster.uuid}, and this copy is of ${record.clusterUuid}: choose another --cluster`
  // A set of this copy alone is that of a recovery which had not ended: nothing has been acknowledged since.
  const isBegun = inSync?.members.length === 1 && includesReplica(inSync.members, self)
  if (word.end === log.logEndOffset && (isBegun || word.epoch === (inSync?.epoch ?? 0))) return undefined
  return `this log ends at ${log.logEndOffset} with epoch ${log.epochStarts.at(-1)?.epoch ?? 0}, and everything below ${log.highWatermark} was known to be committed; to go on with it, give --recover-at ${log.logEndOffset}@${inSync?.epoch ?? 0}`
}

function refuse(reason: string | undefined): void {
  if (reason !== undefined)
    throw new GomqError(
      'CONFIG_INVALID',
      `the cluster was not recovered, and nothing was changed: ${reason}; see docs/operating/cluster.md, "recover"`,
    )
}
