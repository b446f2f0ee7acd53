export * from './cleaned-segment-writer.js'
export { type Cleaner, type CleanerOptions, type CleaningResult, createCleaner } from './cleaning/cleaner.js'
export type { SurveyResult } from './cleaning/cleaning-work.js'
export type { SegmentDamage } from './cleaning/damaged-segments.js'
export type { PolicySurvey } from './cleaning/floors.js'
export type { CleaningRules, RetentionRule, SurveyRules } from './cleaning/rules.js'
export type { EpochEnd } from './epoch-starts.js'
export * from './file-system.js'
export type { EpochStart } from './format/epoch-start.js'
export type { SegmentSummary } from './format/segment-index.js'
export { type BackupOptions, backUp } from './inspection/backup.js'
export type { BackupFile, BackupManifest } from './inspection/backup-manifest.js'
export type { Finding, OnProgress, Severity } from './inspection/finding.js'
export { type DumpedPiece, type DumpOptions, dumpLog } from './inspection/log-dump.js'
export { planRepair, repairDirectory } from './inspection/repair.js'
export type { RepairPlan } from './inspection/repair-plan.js'
export { type RestoreOptions, restore, verifyBackup } from './inspection/restore.js'
export { type Verification, type VerifyOptions, verifyDirectory } from './inspection/verification.js'
export * from './log.js'
export type { LogOptions } from './log-options.js'
export type { ReadRequest, ReadResult } from './log-reader.js'
export { openLog } from './open-log.js'
export type { TornTail } from './recovery.js'
export type { CleanedStretch, StretchRange } from './replication/cleaned-stretch.js'
export type { MemberPiece } from './replication/member-read.js'
export { type ReplicatedLog, replicaLog } from './replication/replica-log.js'
export { type ReplicaRecord, type ReplicaRecordFile, replicaRecordStore } from './replication/replica-record.js'
export { type OpenSnapshot, type SnapshotTransfer, snapshotStore } from './replication/snapshot-store.js'
export type { SegmentView } from './segment.js'
export {
  keptSnapshots,
  type LoadedSnapshot,
  loadSnapshot,
  type SnapshotLocation,
  type SnapshotSource,
  type StoredRange,
  writeSnapshot,
} from './snapshot.js'
