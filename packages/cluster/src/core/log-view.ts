import type { ReplicaLog } from '../replica-log.js'

/** What the decisions look at in a log: its marks at this moment. They never change it. */
export type LogView = Pick<
  ReplicaLog,
  | 'storeId'
  | 'logStartOffset'
  | 'highWatermark'
  | 'syncedOffset'
  | 'writtenOffset'
  | 'logEndOffset'
  | 'epochStarts'
  | 'snapshotNeededFrom'
>
