import { type Crc32, type Epoch, GomqError } from '@gomq/protocol'
import { type FileSystem, readFile, replaceFile } from '../file-system.js'
import { encodeSealed, readSealed, valueOfVersion } from '../format/sealed-record.js'
import { orDiskFull } from '../full-disk.js'

/** Name of the file that holds what a broker knows of its cluster. */
export const REPLICA_RECORD = 'replica'
const MAGIC = 0x52514d47 // "GMQR"
const VERSION = 1

/** What a broker knows of its cluster, beside its log. */
export interface ReplicaRecord {
  /** '' until it belongs to one. */
  readonly clusterUuid: string
  /** The greatest epoch that it has accepted or won. */
  readonly epoch: Epoch
  /** Identity of the coordinator's own cluster. */
  readonly coordinatorId: string
  /** The greatest revision of it that was seen. */
  readonly coordinatorRevision: number
  /** The log was emptied to be filled anew, and does not yet hold what its snapshot needs: there is no state. */
  readonly isFilling: boolean
}

/** Keeps the {@link ReplicaRecord}. */
export interface ReplicaRecordFile {
  /**
   * What was saved last; undefined on a new disk.
   * @throws GomqError CORRUPT_LOG         it is damaged: no crash does this, since it is replaced as a whole
   * @throws GomqError UNSUPPORTED_FORMAT  another version wrote it
   */
  load(): Promise<ReplicaRecord | undefined>
  /**
   * Replaces it as a whole; when it settles, it survives a crash. One call at a time.
   * @throws GomqError DISK_FULL  there is no room; the old one is there
   */
  save(record: ReplicaRecord): Promise<void>
}

/** The record in a data directory, which the caller has locked by opening the log. */
export function replicaRecordStore(location: {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
}): ReplicaRecordFile {
  const { fs, directory, crc32 } = location
  return {
    load: () => readReplicaRecord(fs, directory, crc32),
    save: ({ clusterUuid, epoch, coordinatorId, coordinatorRevision, isFilling }) => {
      const value = [clusterUuid, epoch, coordinatorId, coordinatorRevision, isFilling]
      const bytes = encodeSealed(MAGIC, VERSION, value, crc32)
      return orDiskFull(
        directory,
        'what the broker has to promise its cluster is promised when there is room',
        replaceFile(fs, directory, REPLICA_RECORD, (file) => file.writev([bytes], 0)),
      )
    },
  }
}

/** See {@link ReplicaRecordFile.load}. */
export async function readReplicaRecord(
  fs: FileSystem,
  directory: string,
  crc32: Crc32,
): Promise<ReplicaRecord | undefined> {
  const path = `${directory}/${REPLICA_RECORD}`
  const bytes = await readFile(fs, path)
  if (bytes === undefined) return undefined
  const record = readSealed(bytes, MAGIC, crc32)
  if (record === undefined || record.bytes !== bytes.byteLength)
    throw new GomqError(
      'CORRUPT_LOG',
      `${path} is damaged, so that nobody can tell which epoch this broker has promised to follow; empty the data directory ${directory}, it is filled anew by the others of the cluster`,
    )
  const [clusterUuid, epoch, coordinatorId, coordinatorRevision, isFilling] = valueOfVersion(
    record,
    VERSION,
    'the replica record',
  ) as [string, Epoch, string, number, boolean]
  return { clusterUuid, epoch, coordinatorId, coordinatorRevision, isFilling }
}
