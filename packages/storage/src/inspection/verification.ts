import { type Crc32, GomqError, type Offset } from '@gomq/protocol'
import { type Checkpoint, readCheckpoint } from '../checkpoint.js'
import { type FileSystem, readFile } from '../file-system.js'
import { REPLICA_RECORD, readReplicaRecord } from '../replication/replica-record.js'
import { inspectSnapshot } from '../snapshot.js'
import { type DataFiles, listDataFiles, type SnapshotFile, unlessGone } from './data-files.js'
import type { Find, Finding, OnProgress } from './finding.js'
import { inspectSegments, type LogInspection } from './log-inspection.js'

/** What is checked and how. */
export interface VerifyOptions {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
  /**
   * Reads without the lock, beside a broker that works: what lies at or above the checkpoint's synced offset is not judged, since it may be
   * written at this moment.
   */
  readonly isLive?: boolean
  readonly onProgress?: OnProgress
}

/** What a data directory holds, and what is wrong with it. */
export interface Verification {
  readonly findings: readonly Finding[]
  /** Whether there is a finding beside harmless ones. */
  readonly isDamaged: boolean
  readonly checkpoint: Checkpoint | undefined
  readonly segments: number
  readonly batches: number
  readonly records: number
  readonly bytes: number
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  /** Snapshots that the log fits. */
  readonly snapshots: number
}

/** A snapshot, and why it cannot be used, if so. @internal */
export interface InspectedSnapshot {
  readonly file: SnapshotFile
  readonly reason: string | undefined
  /** Where the log must reach; undefined for a damaged one. */
  readonly endOffset: Offset | undefined
}

/** Everything that a check finds, for a repair that follows. @internal */
export interface Inspection extends Verification {
  readonly files: DataFiles
  readonly isCheckpointDamaged: boolean
  /** The others of its cluster fill the log; what is there is no whole log yet. */
  readonly isFilling: boolean
  readonly log: LogInspection
  /** What each snapshot is, in the order of the files. */
  readonly inspectedSnapshots: readonly InspectedSnapshot[]
}

/**
 * Reads every file of a data directory and says what is damaged: which bytes, which offsets are lost, which topics were there. Nothing is
 * changed. Memory stays bounded for a log of any size; a snapshot is read as a whole, as a start does.
 *
 * @throws GomqError INVALID_ARGUMENT    there is no data directory
 * @throws GomqError DATA_DIR_LOCKED     a broker uses it, and `isLive` is not set
 * @throws GomqError UNSUPPORTED_FORMAT  another version wrote the files
 */
export async function verifyDirectory(options: VerifyOptions): Promise<Verification> {
  const { fs, directory } = options
  await checkIsDataDirectory(fs, directory)
  if (options.isLive === true) return inspectDirectory(options)
  const lock = await fs.lock(directory)
  try {
    return await inspectDirectory(options)
  } finally {
    await lock.release()
  }
}

/** @throws GomqError INVALID_ARGUMENT  the directory holds nothing of a broker */
export async function checkIsDataDirectory(fs: FileSystem, directory: string): Promise<void> {
  const { segments, hasCheckpoint } = await listDataFiles(fs, directory)
  if (segments.length === 0 && !hasCheckpoint)
    throw new GomqError('INVALID_ARGUMENT', `${directory} is no data directory of a broker; name the one of --data-dir`)
}

/** The check itself; the caller holds the lock. @internal */
export async function inspectDirectory(options: VerifyOptions): Promise<Inspection> {
  const { fs, directory, crc32, isLive = false } = options
  const findings: Finding[] = []
  const find: Find = (severity, file, what, more = {}) => {
    const nothing = { bytes: undefined, offsets: undefined, batches: undefined, topics: undefined }
    findings.push({ ...nothing, ...more, severity, file, what })
  }
  let checkpoint: Checkpoint | undefined
  let isCheckpointDamaged = false
  try {
    checkpoint = await readCheckpoint(fs, directory, crc32)
  } catch (error) {
    if (!(error instanceof GomqError) || error.code !== 'CORRUPT_LOG') throw error
    isCheckpointDamaged = true
    find('damage', 'checkpoint', 'it is damaged, so that nobody can tell whether the log is complete')
  }
  const listed = await listDataFiles(fs, directory)
  const files = checkpoint?.isEmptying === true ? emptied(listed) : listed
  const isFilling = await inspectRecord(options, find)
  if (checkpoint === undefined && !isCheckpointDamaged)
    find('harmless', 'checkpoint', 'there is none: the next start believes the log as it is, under a new identity')
  const log = await inspectSegments({ ...options, files, checkpoint, find })
  const inspectedSnapshots: InspectedSnapshot[] = []
  const snapshotNeededFrom = checkpoint?.snapshotNeededFrom ?? (0 as Offset)
  for (const file of files.snapshots) {
    const { name, path } = file
    const bytes = await unlessGone(() => readFile(fs, path))
    if (bytes === undefined) continue
    const { reason, isDamaged, endOffset } = inspectSnapshot(
      bytes,
      name.slice('snapshots/'.length),
      { ...log, snapshotNeededFrom },
      crc32,
    )
    inspectedSnapshots.push({ file, reason, endOffset })
    // What was installed reaches further than the log does so far.
    if (reason === undefined || ((isLive || isFilling) && !isDamaged)) continue
    find(isDamaged ? 'repairable' : 'harmless', name, `${reason}; the next start puts it aside`)
  }
  const snapshots = inspectedSnapshots.filter(({ reason }) => reason === undefined).length
  const neededFrom = Math.max(log.logStartOffset, snapshotNeededFrom)
  if (snapshots === 0 && neededFrom > 0)
    find(
      isFilling ? 'harmless' : 'damage',
      'snapshots',
      `none holds the state at offset ${neededFrom} or later, below which the log is not whole`,
    )
  if (files.hasSyncMarker && !isLive)
    find('harmless', 'sync-failed', 'a sync failed or did not return; the next start writes the active segment anew')
  if (!isLive)
    for (const name of files.leftovers)
      find('harmless', name, name.endsWith('.tmp') ? 'a replacement that a crash cut short' : 'put aside earlier')
  for (const name of files.strangers) find('harmless', name, 'no file of a broker')
  return {
    findings,
    isDamaged: findings.some(({ severity }) => severity !== 'harmless'),
    checkpoint,
    segments: log.segments.length,
    batches: sum(log.segments.map(({ batches }) => batches)),
    records: sum(log.segments.map(({ records }) => records)),
    bytes: sum(log.segments.map(({ fileBytes }) => fileBytes)),
    logStartOffset: log.logStartOffset,
    logEndOffset: log.logEndOffset,
    snapshots,
    files,
    isCheckpointDamaged,
    isFilling,
    log,
    inspectedSnapshots,
  }
}

/** Whether the record says that the log is being filled by others of its cluster; one that is damaged is found. */
async function inspectRecord({ fs, directory, crc32 }: VerifyOptions, find: Find): Promise<boolean> {
  try {
    return (await readReplicaRecord(fs, directory, crc32))?.isFilling === true
  } catch (error) {
    if (!(error instanceof GomqError) || error.code !== 'CORRUPT_LOG') throw error
    find(
      'damage',
      REPLICA_RECORD,
      'it is damaged; the data directory of a broker of a cluster is emptied, the others fill it anew',
    )
    return false
  }
}

/** The files of a log that is being emptied: those that are left do not count. */
function emptied(files: DataFiles): DataFiles {
  const { segments, indexes, snapshots, leftovers } = files
  const left = [...segments.map(({ name }) => name), ...indexes, ...snapshots.map(({ name }) => name)]
  return { ...files, segments: [], indexes: [], snapshots: [], leftovers: [...leftovers, ...left].sort() }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
