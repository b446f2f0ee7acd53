import { GomqError, type Offset } from '@gomq/protocol'
import type { Ready } from './core/ready.js'
import type { CleanedStretch, ReplicaLog, SnapshotStore } from './replica-log.js'
import type { ReplicationHandler } from './replication.js'
import { SnapshotReceipt } from './snapshot-transfer.js'

/** What of a replica's ready changes the log or the snapshots and takes time. */
export type LogChange = Extract<
  Ready,
  { kind: 'truncate' | 'reset' | 'beginCleaned' | 'addCleaned' | 'finishCleaned' | 'finishSnapshot' | 'abandon' }
>

/** Whether there was no room on the disk, and nothing has changed. */
export function isNoRoom(error: unknown): boolean {
  return error instanceof GomqError && error.code === 'DISK_FULL'
}

/**
 * Whether a change was refused and has left everything as it was: what is being received found no room, or is damaged. A log that cannot be cut or
 * emptied has failed.
 */
export function isRefused(change: LogChange, error: unknown): boolean {
  if (change.kind === 'truncate' || change.kind === 'reset' || !(error instanceof GomqError)) return false
  return isNoRoom(error) || (change.kind === 'finishSnapshot' && error.code === 'CORRUPT_LOG')
}

/** Carries out what a member does to its log and its snapshots; the replica sees to it that there is one change at a time. */
export class LogChanges {
  readonly #log: ReplicaLog
  readonly #snapshots: SnapshotStore
  readonly #handler: ReplicationHandler
  #stretch: CleanedStretch | undefined
  #receipt: { readonly parts: SnapshotReceipt; readonly beginOffset: Offset } | undefined

  constructor(log: ReplicaLog, snapshots: SnapshotStore, handler: ReplicationHandler) {
    this.#log = log
    this.#snapshots = snapshots
    this.#handler = handler
  }

  /** Begins to receive a snapshot. */
  beginSnapshot(beginOffset: Offset, onTaken: () => void): void {
    this.#receipt = { parts: new SnapshotReceipt(this.#snapshots, beginOffset, onTaken), beginOffset }
  }

  /** A piece of it. */
  addChunk(bytes: Uint8Array): void {
    this.#receipt?.parts.add(bytes)
  }

  /** Settles when the change is on disk and the broker has been told. @throws whatever the log throws: see {@link isRefused}; else it has failed */
  async carryOut(change: LogChange): Promise<void> {
    switch (change.kind) {
      case 'truncate':
        await this.#log.truncate(change.to)
        return this.#handler.handleTruncated(change.to)
      case 'reset':
        await this.#log.reset(change.to)
        return this.#handler.handleTruncated(change.to)
      case 'beginCleaned': {
        const { endOffset, epochStarts } = change
        this.#stretch = await this.#log.receiveCleaned({ endOffset, epochStarts })
        return
      }
      case 'addCleaned':
        for (const batch of change.batches) await this.#stretch?.add(batch)
        return
      case 'finishCleaned': {
        const stretch = this.#stretch
        this.#stretch = undefined
        return stretch?.finish()
      }
      case 'finishSnapshot':
        return this.#finishSnapshot()
      case 'abandon':
        return this.abandon()
    }
  }

  /** Gives up what is being received. */
  async abandon(): Promise<void> {
    const stretch = this.#stretch
    const receipt = this.#receipt
    this.#stretch = undefined
    this.#receipt = undefined
    await stretch?.abandon()
    await receipt?.parts.abandon()
  }

  async #finishSnapshot(): Promise<void> {
    const receipt = this.#receipt
    this.#receipt = undefined
    if (receipt === undefined) throw new GomqError('INTERNAL', 'a snapshot ended that had not begun')
    await receipt.parts.finish()
    this.#handler.handleSnapshotInstalled(receipt.beginOffset)
  }
}
