import { type Crc32, type Epoch, GomqError, type Offset } from '@gomq/protocol'
import { type FileSystem, readFile, replaceFile } from './file-system.js'
import { encodeSealed, readSealed, valueOfVersion } from './format/sealed-record.js'

const NAME = 'checkpoint'
const MAGIC = 0x43514d47 // "GMQC"
const VERSION = 1

/** The checkpoint as it is stored; elements at the end are left out, those before others are null. */
type Elements = [string, Offset, Epoch, Offset, (Offset | null)?, (Offset | null)?, boolean?]

/**
 * What this disk knows about itself: lower bounds that were true when it was written. A log that ends below `syncedOffset`, or begins
 * above `logStartOffset`, has lost something.
 */
export interface Checkpoint {
  /** Identity of this copy of the log: made with the directory, never copied to another. */
  readonly storeId: string
  /** Everything below was synced. */
  readonly syncedOffset: Offset
  /** Greatest epoch in the log; 0 if it is empty. */
  readonly epoch: Epoch
  /** First offset of the log. */
  readonly logStartOffset: Offset
  /**
   * Control records below may have been cleaned away: the state needs a snapshot that begins here or later. Left out while no segment was
   * cleaned. 0 where offsets are missing and nothing was cleaned: a repair left a gap in the place of damage, and the rest is replayed.
   */
  readonly snapshotNeededFrom?: Offset
  /**
   * A cleaned segment that ends here may be the last one: it was being received, and the segment that follows it had not been begun. Left out
   * at all other times, when a last segment that was cleaned has lost the one behind it.
   */
  readonly receivingTo?: Offset
  /** All segments and snapshots that are there are on their way out: the log is empty and begins at `logStartOffset`. */
  readonly isEmptying?: boolean
}

/**
 * Reads the checkpoint of the data directory; undefined if there is none, which is so before the first start has ended, or because an
 * operator removed it to accept a loss.
 *
 * @throws GomqError CORRUPT_LOG         it is damaged: no crash does this, since it is replaced as a whole
 * @throws GomqError UNSUPPORTED_FORMAT  another version wrote it
 */
export async function readCheckpoint(fs: FileSystem, directory: string, crc32: Crc32): Promise<Checkpoint | undefined> {
  const path = `${directory}/${NAME}`
  const bytes = await readFile(fs, path)
  if (bytes === undefined) return undefined
  const record = readSealed(bytes, MAGIC, crc32)
  if (record === undefined || record.bytes !== bytes.byteLength) {
    throw new GomqError(
      'CORRUPT_LOG',
      `the checkpoint ${path} is damaged, so that nobody can tell whether the log is complete; restore a backup with 'gomqctl log restore', or trust the log as it is, under a new identity, with 'gomqctl log repair ${directory}'`,
    )
  }
  const [storeId, syncedOffset, epoch, logStartOffset, snapshotNeededFrom, receivingTo, isEmptying] = valueOfVersion(
    record,
    VERSION,
    'the checkpoint',
  ) as Elements
  return {
    storeId,
    syncedOffset,
    epoch,
    logStartOffset,
    ...(snapshotNeededFrom !== undefined && snapshotNeededFrom !== null && { snapshotNeededFrom }),
    ...(receivingTo !== undefined && receivingTo !== null && { receivingTo }),
    ...(isEmptying === true && { isEmptying }),
  }
}

/** Replaces the checkpoint; when it settles, the new one survives a crash. */
export function writeCheckpoint(
  fs: FileSystem,
  directory: string,
  checkpoint: Checkpoint,
  crc32: Crc32,
): Promise<void> {
  const { storeId, syncedOffset, epoch, logStartOffset } = checkpoint
  const more = [checkpoint.snapshotNeededFrom, checkpoint.receivingTo, checkpoint.isEmptying === true || undefined]
  const said = more.slice(0, more.findLastIndex((element) => element !== undefined) + 1)
  const value = [storeId, syncedOffset, epoch, logStartOffset, ...said.map((element) => element ?? null)]
  const bytes = encodeSealed(MAGIC, VERSION, value, crc32)
  return replaceFile(fs, directory, NAME, (file) => file.writev([bytes], 0))
}
