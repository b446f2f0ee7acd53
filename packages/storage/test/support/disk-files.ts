import { SeededRandom } from '@gomq/protocol/testing'
import { SimDisk } from '../../src/testing/sim-disk.js'

/** All files of a disk in memory. */
export async function filesOf(disk: SimDisk): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>()
  for (const folder of ['data', 'data/log', 'data/snapshots'])
    for (const name of await disk.mount().list(folder))
      files.set(`${folder}/${name}`, disk.bytesOf(`${folder}/${name}`))
  return files
}

/** A disk in memory that holds exactly these files. */
export function diskOf(files: Map<string, Uint8Array>): SimDisk {
  const disk = new SimDisk(new SeededRandom(1))
  for (const [path, bytes] of files) disk.put(path, bytes)
  return disk
}
