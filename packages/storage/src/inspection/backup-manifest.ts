import { type Crc32, decodeMsgpack, GomqError, type Offset } from '@gomq/protocol'
import { type FileSystem, readFile, replaceFile } from '../file-system.js'
import { encodeSealed, readSealed } from '../format/sealed-record.js'
import type { FileSum } from './file-copy.js'

/** Name of the manifest in a backup. */
export const MANIFEST_NAME = 'backup-manifest'
const MAGIC = 0x4d514d47 // "GMQM"
const VERSION = 1

/** A file of a backup. */
export interface BackupFile extends FileSum {
  /** Below the backup's directory. */
  readonly name: string
}

/** What a backup holds. Written last: a directory without it is no backup. */
export interface BackupManifest {
  /** Identity of the log that was backed up. */
  readonly storeId: string
  /** When the backup began, ms since 1970. */
  readonly createdAtMs: number
  readonly logStartOffset: Offset
  /** Everything below is in the backup. */
  readonly logEndOffset: Offset
  readonly files: readonly BackupFile[]
}

/** Writes the manifest of a backup that is complete. */
export function writeManifest(
  fs: FileSystem,
  directory: string,
  manifest: BackupManifest,
  crc32: Crc32,
): Promise<void> {
  const { storeId, createdAtMs, logStartOffset, logEndOffset, files } = manifest
  const flat = files.flatMap(({ name, bytes, crc }) => [name, bytes, crc])
  const record = encodeSealed(MAGIC, VERSION, [storeId, createdAtMs, logStartOffset, logEndOffset, flat], crc32)
  return replaceFile(fs, directory, MANIFEST_NAME, (file) => file.writev([record], 0))
}

/**
 * Reads the manifest of a backup.
 *
 * @throws GomqError INVALID_ARGUMENT    there is none: the directory is no backup, or one that was interrupted
 * @throws GomqError CORRUPT_LOG         it is damaged
 * @throws GomqError UNSUPPORTED_FORMAT  another version wrote it
 */
export async function readManifest(fs: FileSystem, directory: string, crc32: Crc32): Promise<BackupManifest> {
  const bytes = await readFile(fs, `${directory}/${MANIFEST_NAME}`)
  if (bytes === undefined)
    throw new GomqError(
      'INVALID_ARGUMENT',
      `${directory} is no complete backup: it has no ${MANIFEST_NAME}, which is written last; name another, or make one with gomqctl log backup`,
    )
  const record = readSealed(bytes, MAGIC, crc32)
  if (record === undefined || record.bytes !== bytes.byteLength)
    throw new GomqError('CORRUPT_LOG', `the manifest of the backup ${directory} is damaged; use another backup`)
  if (record.version !== VERSION)
    throw new GomqError(
      'UNSUPPORTED_FORMAT',
      `the backup ${directory} has format version ${record.version} and this program reads version ${VERSION}; use the program that wrote it`,
    )
  // As many as the log has segments: no bound of a frame is meant for it.
  const [storeId, createdAtMs, logStartOffset, logEndOffset, flat] = decodeMsgpack(
    record.body,
    Number.POSITIVE_INFINITY,
  ) as [string, number, Offset, Offset, (string | number)[]]
  const files: BackupFile[] = []
  for (let i = 0; i < flat.length; i += 3)
    files.push({ name: String(flat[i]), bytes: Number(flat[i + 1]), crc: Number(flat[i + 2]) })
  return { storeId, createdAtMs, logStartOffset, logEndOffset, files }
}
