import { type FileSystem, readFile } from './file-system.js'

/** Name of the file that says: a sync of the active segment may have failed, so that the page cache may hold what the disk does not. */
export const SYNC_FAILED_MARKER = 'sync-failed'

/** Whether the last life of the directory may have ended with a failed sync. */
export async function hasSyncMarker(fs: FileSystem, directory: string): Promise<boolean> {
  return (await readFile(fs, `${directory}/${SYNC_FAILED_MARKER}`)) !== undefined
}

/** Leaves the marker, so that it survives a crash. Again: nothing changes. */
export async function putSyncMarker(fs: FileSystem, directory: string): Promise<void> {
  const marker = await fs.open(`${directory}/${SYNC_FAILED_MARKER}`, 'create')
  await marker.close()
  await fs.syncDirectory(directory)
}

/** Takes the marker away: everything that was accepted is on the disk. */
export async function removeSyncMarker(fs: FileSystem, directory: string): Promise<void> {
  await fs.remove(`${directory}/${SYNC_FAILED_MARKER}`)
  await fs.syncDirectory(directory)
}
