import type { Epoch, Offset } from '@gomq/protocol'
import type { BrokerAddresses, Replica } from '../cluster-view.js'
import type { ReplicaMessage } from '../messages.js'
import type { EpochStart, ReplicaRecord } from '../replica-log.js'

/** Names a link between the replica and its driver. */
export type LinkId = number

/** Who leads, as a broker tells its clients. */
export interface KnownLeader {
  readonly id: string
  readonly addresses: BrokerAddresses
  readonly epoch: Epoch
}

/**
 * What the driver is to do, in the order in which it is given. What takes time is begun in this order and reported by the `handle*` method
 * that is named; at most one change of the log is under way at a time.
 */
export type Ready =
  /** Saves the record; `handlePersisted`. One at a time. */
  | { readonly kind: 'persist'; readonly record: ReplicaRecord }
  /** `handleFormOutcome`. */
  | { readonly kind: 'form'; readonly replicas: number; readonly members: readonly Replica[] }
  /** Under the lease of that id; `handleCampaignOutcome`. An unknown outcome is followed by a read until one succeeds. */
  | {
      readonly kind: 'campaign'
      readonly token: number
      readonly leaseId: string
      readonly epoch: Epoch
      readonly members: readonly Replica[]
      readonly inSyncRevision: number
    }
  /** `handleInSyncOutcome` with the same token. */
  | {
      readonly kind: 'changeInSync'
      readonly token: number
      readonly epoch: Epoch
      readonly members: readonly Replica[]
      readonly leaderRevision: number
      readonly inSyncRevision: number
    }
  /** `handleRemoveOutcome`. */
  | { readonly kind: 'removeLeader'; readonly leaderRevision: number }
  /** Reads the view as soon as possible; `handleView`. */
  | { readonly kind: 'readView' }
  /** Revokes the lease of that id, and takes another with the next round. */
  | { readonly kind: 'dropLease'; readonly leaseId: string }
  /** Opens a link only to learn whether a process listens; `handleProbed`. */
  | { readonly kind: 'probe'; readonly address: string; readonly leaderRevision: number }
  /** `handleLinkOpened`, or `handleLinkClosed`. */
  | { readonly kind: 'openLink'; readonly link: LinkId; readonly address: string }
  | { readonly kind: 'closeLink'; readonly link: LinkId }
  | { readonly kind: 'send'; readonly link: LinkId; readonly message: ReplicaMessage }
  /** The leadership's `handleLogRead`; `handleLinkClosed` if what is needed was cleaned away. */
  | { readonly kind: 'readLog'; readonly link: LinkId; readonly from: Offset; readonly bytesMax: number }
  /** Opens the newest snapshot; the leadership's `handleSnapshotOpened`. */
  | { readonly kind: 'openSnapshot'; readonly link: LinkId }
  /** The leadership's `handleSnapshotRead`, or `handleLinkClosed`. */
  | { readonly kind: 'readSnapshot'; readonly link: LinkId; readonly position: number; readonly length: number }
  | { readonly kind: 'closeSnapshot'; readonly link: LinkId }
  | { readonly kind: 'append'; readonly batch: Uint8Array }
  /** `handleLogChanged`, after the broker was told. */
  | { readonly kind: 'truncate'; readonly to: Offset }
  /** `handleLogChanged`, after the broker was told. */
  | { readonly kind: 'reset'; readonly to: Offset }
  /** `handleLogChanged`, here and below also if it could not be done: there is no room, or what came was damaged. */
  | { readonly kind: 'beginCleaned'; readonly endOffset: Offset; readonly epochStarts: readonly EpochStart[] }
  /** `handleLogChanged`. */
  | { readonly kind: 'addCleaned'; readonly batches: readonly Uint8Array[] }
  /** `handleLogChanged`. */
  | { readonly kind: 'finishCleaned' }
  /** Gives up the cleaned stretch or the snapshot that is being received; `handleLogChanged`. */
  | { readonly kind: 'abandon' }
  /** Begins to receive a snapshot. */
  | { readonly kind: 'beginSnapshot'; readonly beginOffset: Offset }
  /** `handleChunkTaken`. */
  | { readonly kind: 'addChunk'; readonly bytes: Uint8Array }
  /** Installs it; `handleLogChanged`, after the broker was told. */
  | { readonly kind: 'finishSnapshot' }
  /** Raises the high watermark and tells the broker. */
  | { readonly kind: 'commit'; readonly offset: Offset }
  /** Tells the broker. */
  | { readonly kind: 'lead'; readonly epoch: Epoch }
  | { readonly kind: 'follow'; readonly leader: KnownLeader | undefined }
  | { readonly kind: 'suspend'; readonly isSuspended: boolean }
  | { readonly kind: 'fail'; readonly error: Error }

/** Takes what is to be done, in order. */
export type Emit = (ready: Ready) => void
