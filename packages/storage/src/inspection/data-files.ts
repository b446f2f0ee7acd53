import type { Offset } from '@gomq/protocol'
import { type FileSystem, isSystemError } from '../file-system.js'
import { REPLICA_RECORD } from '../replication/replica-record.js'
import { SYNC_FAILED_MARKER } from '../sync-marker.js'

/** A segment file, as its name says. */
export interface SegmentFile {
  /** Below the data directory: `log/00000000000000000000.log`. */
  readonly name: string
  readonly path: string
  readonly baseOffset: Offset
  /** 0 for a segment as it was appended; the greater one of two that cover the same offsets counts. */
  readonly generation: number
  /** Path of its index, which need not be there. */
  readonly indexPath: string
}

/** A file of the snapshots. */
export interface SnapshotFile {
  /** Below the data directory: `snapshots/00000000000000000000.snapshot`. */
  readonly name: string
  readonly path: string
  readonly beginOffset: Offset
}

/** What lies in a data directory, by its names alone. */
export interface DataFiles {
  /** By base offset, then by generation. */
  readonly segments: readonly SegmentFile[]
  /** Names of index files, below the data directory. */
  readonly indexes: readonly string[]
  /** The oldest first. */
  readonly snapshots: readonly SnapshotFile[]
  readonly hasCheckpoint: boolean
  readonly hasSyncMarker: boolean
  /** What a broker of a cluster knows of it. */
  readonly hasReplicaRecord: boolean
  /** Replacements that a crash cut short, snapshots put aside, folders of an earlier repair. */
  readonly leftovers: readonly string[]
  /** What no version of the broker that is known here leaves. */
  readonly strangers: readonly string[]
}

/** The segment that a file of the log's folder is; undefined for other files. */
export function segmentFileOf(directory: string, name: string): SegmentFile | undefined {
  const match = /^(\d{20})(?:\.([1-9]\d{0,8}))?\.log$/.exec(name)
  if (match === null) return undefined
  return {
    name: `log/${name}`,
    path: `${directory}/log/${name}`,
    baseOffset: Number(match[1]) as Offset,
    generation: Number(match[2] ?? 0),
    indexPath: `${directory}/log/${name.replace(/\.log$/, '.index')}`,
  }
}

/** Looks at the names in a data directory; nothing is opened. */
export async function listDataFiles(fs: FileSystem, directory: string): Promise<DataFiles> {
  const segments: SegmentFile[] = []
  const indexes: string[] = []
  const snapshots: SnapshotFile[] = []
  const leftovers: string[] = []
  const strangers: string[] = []
  let hasCheckpoint = false
  let hasSyncMarker = false
  let hasReplicaRecord = false
  for (const name of await fs.list(directory)) {
    if (name === 'checkpoint') hasCheckpoint = true
    else if (name === SYNC_FAILED_MARKER) hasSyncMarker = true
    else if (name === REPLICA_RECORD) hasReplicaRecord = true
    else if (/\.tmp$|^repaired-/.test(name)) leftovers.push(name)
    else if (!/^(log|snapshots|backup-manifest|(LOCK|claim)\..*)$/.test(name)) strangers.push(name)
  }
  for (const name of await fs.list(`${directory}/log`)) {
    const segment = segmentFileOf(directory, name)
    if (segment !== undefined) segments.push(segment)
    else if (/^\d{20}(\.[1-9]\d{0,8})?\.index$/.test(name)) indexes.push(`log/${name}`)
    else (name.endsWith('.tmp') ? leftovers : strangers).push(`log/${name}`)
  }
  for (const name of await fs.list(`${directory}/snapshots`)) {
    const match = /^(\d{20})\.snapshot$/.exec(name)
    if (match !== null)
      snapshots.push({
        name: `snapshots/${name}`,
        path: `${directory}/snapshots/${name}`,
        beginOffset: Number(match[1]) as Offset,
      })
    else (/\.(tmp|rejected)$/.test(name) ? leftovers : strangers).push(`snapshots/${name}`)
  }
  return {
    segments: segments.sort((a, b) => a.baseOffset - b.baseOffset || a.generation - b.generation),
    indexes: indexes.sort(),
    snapshots: snapshots.sort((a, b) => a.beginOffset - b.beginOffset),
    hasCheckpoint,
    hasSyncMarker,
    hasReplicaRecord,
    leftovers: leftovers.sort(),
    strangers: strangers.sort(),
  }
}

/** The result of `work`; undefined if a file was not there. */
export async function unlessGone<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
}
