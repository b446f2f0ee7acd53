import { type Crc32, GomqError, type Random, randomIdentity } from '@gomq/protocol'
import { readCheckpoint, writeCheckpoint } from '../checkpoint.js'
import type { FileSystem } from '../file-system.js'
import { checkIsEmpty } from './backup.js'
import { type BackupFile, type BackupManifest, readManifest } from './backup-manifest.js'
import { unlessGone } from './data-files.js'
import { copyFile, type FileSum, sumFile } from './file-copy.js'
import type { OnProgress } from './finding.js'

/** A backup, and where it is put. */
export interface RestoreOptions {
  readonly fs: FileSystem
  readonly backup: string
  /** A directory that is not there, or is empty. */
  readonly directory: string
  readonly crc32: Crc32
  readonly random: Random
  readonly onProgress?: OnProgress
}

/**
 * Makes a data directory from a backup, under a new identity, and holds every file against the manifest. A restore that is interrupted leaves
 * a directory on which no broker starts.
 *
 * @throws GomqError INVALID_ARGUMENT  the backup has no manifest, or the directory is not empty
 * @throws GomqError CORRUPT_LOG       the backup is damaged; the directory is of no use then
 */
export async function restore(options: RestoreOptions): Promise<BackupManifest> {
  const { fs, backup, directory, crc32, random } = options
  const manifest = await readManifest(fs, backup, crc32)
  await checkIsEmpty(fs, directory)
  const checkpoint = await readCheckpoint(fs, backup, crc32)
  if (checkpoint === undefined) throw damaged(backup, 'checkpoint')
  const lock = await fs.lock(directory)
  try {
    // First, since it says how much there must be: without all of it nobody starts.
    const storeId = randomIdentity(random).toString(36)
    await writeCheckpoint(fs, directory, { ...checkpoint, storeId }, crc32)
    for (const folder of ['log', 'snapshots']) await fs.makeDirectory(`${directory}/${folder}`)
    const onBytes = progressOf(manifest, options.onProgress)
    for (const file of manifest.files) {
      const from = `${backup}/${file.name}`
      const sum = await unlessGone(() =>
        file.name === 'checkpoint'
          ? sumFile(fs, from, crc32, onBytes)
          : copyFile(fs, from, `${directory}/${file.name}`, crc32, onBytes),
      )
      if (!isSame(sum, file)) throw damaged(backup, file.name)
    }
    for (const folder of ['log', 'snapshots']) await fs.syncDirectory(`${directory}/${folder}`)
    return manifest
  } finally {
    await lock.release()
  }
}

/**
 * Reads a backup again and holds every file against the manifest.
 *
 * @throws GomqError INVALID_ARGUMENT  it has no manifest
 * @throws GomqError CORRUPT_LOG       a file is not as it was written; the message names it
 */
export async function verifyBackup(options: {
  readonly fs: FileSystem
  readonly backup: string
  readonly crc32: Crc32
  readonly onProgress?: OnProgress
}): Promise<BackupManifest> {
  const { fs, backup, crc32 } = options
  const manifest = await readManifest(fs, backup, crc32)
  const onBytes = progressOf(manifest, options.onProgress)
  for (const file of manifest.files)
    if (!isSame(await unlessGone(() => sumFile(fs, `${backup}/${file.name}`, crc32, onBytes)), file))
      throw damaged(backup, file.name)
  return manifest
}

function progressOf({ files }: BackupManifest, onProgress: OnProgress | undefined): (bytes: number) => void {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0)
  let done = 0
  return (bytes) => onProgress?.((done += bytes), total)
}

function isSame(sum: FileSum | undefined, file: BackupFile): boolean {
  return sum !== undefined && sum.bytes === file.bytes && sum.crc === file.crc
}

function damaged(backup: string, name: string): GomqError {
  return new GomqError(
    'CORRUPT_LOG',
    `the backup ${backup} is damaged: ${name} is not as it was written; use another backup`,
  )
}
