import type { FileSystem } from '../file-system.js'

/** What a log is made of, and what it leaves. */
const OF_THE_LOG = /\.(log|index|snapshot|rejected|tmp)$/

/**
 * Removes all segments and snapshots of a data directory, for good; the checkpoint says already that they are on their way out. Again: nothing
 * happens.
 */
export async function emptyDirectory(fs: FileSystem, directory: string): Promise<void> {
  // It was seen, which is less than that it survives.
  await fs.syncDirectory(directory)
  for (const folder of [`${directory}/snapshots`, `${directory}/log`]) {
    await fs.makeDirectory(folder)
    for (const name of await fs.list(folder)) if (OF_THE_LOG.test(name)) await fs.remove(`${folder}/${name}`)
    await fs.syncDirectory(folder)
  }
}
