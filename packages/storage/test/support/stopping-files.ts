import type { FileSystem } from '../../src/file-system.js'
import { faultyFiles, systemError } from './faulty-files.js'

/** The same file system until `callsMax` calls that change something were made; all later ones fail, as if the process had ended. */
export function stoppingFiles(fs: FileSystem, callsMax: number): { fs: FileSystem; isStopped: () => boolean } {
  let calls = 0
  const count = () => {
    if (++calls > callsMax) throw systemError('EIO')
  }
  const files = faultyFiles(fs, (call) => {
    if (call !== 'open' && call !== 'read') count()
  })
  return {
    fs: {
      ...files,
      rename: async (from, to) => {
        count()
        await fs.rename(from, to)
      },
      remove: async (path) => {
        count()
        await fs.remove(path)
      },
      syncDirectory: async (directory) => {
        count()
        await fs.syncDirectory(directory)
      },
    },
    isStopped: () => calls > callsMax,
  }
}
