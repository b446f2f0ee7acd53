import * as fs from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { FileSystem } from '../file-system.js'
import { lockDirectory } from './directory-lock.js'
import { NodeFileHandle } from './node-file-handle.js'

const FILE_SYSTEM: FileSystem = {
  open: (path, mode) => NodeFileHandle.open(path, mode),
  rename: (from, to) => fs.promises.rename(from, to),
  remove: (path) => fs.promises.rm(path, { force: true }),
  async list(directory) {
    try {
      return await fs.promises.readdir(directory)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  },
  makeDirectory,
  syncDirectory,
  async freeBytes(directory) {
    // What is kept for the superuser does not count: a broker does not run as one.
    const { bavail, bsize } = await fs.promises.statfs(directory)
    return bavail * bsize
  },
  async lock(directory, onLost) {
    await makeDirectory(directory)
    return lockDirectory(directory, onLost)
  },
}

/** The real disk. */
export function nodeFileSystem(): FileSystem {
  return FILE_SYSTEM
}

/** A new directory is an entry of the one above, which is synced for it; otherwise a power failure takes it away with all its files. */
async function makeDirectory(directory: string): Promise<void> {
  const first = await fs.promises.mkdir(directory, { recursive: true })
  if (first === undefined) return
  const above = dirname(resolve(first))
  for (let made = resolve(directory); made !== above; made = dirname(made)) await syncDirectory(dirname(made))
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await fs.promises.open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
