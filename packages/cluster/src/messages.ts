import type { Epoch, Offset } from '@gomq/protocol'
import type { EpochStart } from './replica-log.js'

/** What brokers say to each other. A leader opens the link and speaks first. */
export type ReplicaMessage =
  /** Leader: who it is. Every message of the link is of this epoch. */
  | {
      readonly kind: 'hello'
      readonly clusterUuid: string
      readonly id: string
      readonly storeId: string
      readonly epoch: Epoch
    }
  /** Member: what it has. */
  | {
      readonly kind: 'welcome'
      readonly id: string
      readonly storeId: string
      readonly logStartOffset: Offset
      readonly logEndOffset: Offset
      readonly highWatermark: Offset
      readonly epochStarts: readonly EpochStart[]
      /** Where its state goes on; a snapshot is needed if the leader's control records from here on are gone. */
      readonly appliedOffset: Offset
    }
  /** Member: it follows a greater epoch, or is in another cluster; the link ends. */
  | { readonly kind: 'refuse'; readonly epoch: Epoch; readonly reason: string }
  /** Leader: cut the log here, where the two histories part, and go on (R13). */
  | { readonly kind: 'cut'; readonly offset: Offset; readonly highWatermark: Offset }
  /** Leader: the log is to begin anew at this offset. */
  | { readonly kind: 'reset'; readonly offset: Offset }
  /** Leader: a snapshot comes in chunks; the last one is empty. */
  | { readonly kind: 'snapshot'; readonly beginOffset: Offset; readonly bytes: number }
  | { readonly kind: 'chunk'; readonly bytes: Uint8Array }
  /** Leader: batches that follow the member's log; without any it is a sign of life. */
  | { readonly kind: 'append'; readonly highWatermark: Offset; readonly batches: readonly Uint8Array[] }
  /** Leader: what the next `cleanedBatches` hold becomes one cleaned segment up to `endOffset`. */
  | { readonly kind: 'cleaned'; readonly endOffset: Offset; readonly epochStarts: readonly EpochStart[] }
  | { readonly kind: 'cleanedBatches'; readonly batches: readonly Uint8Array[] }
  | { readonly kind: 'cleanedEnd' }
  /** Member: everything below is on its disk, and the same as the leader's (R4). Also the answer to a sign of life. */
  | { readonly kind: 'synced'; readonly offset: Offset }
  /** Leader: it resigns; the member may campaign at once. */
  | { readonly kind: 'handover' }
