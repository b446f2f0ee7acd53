import * as fs from 'node:fs'
import { dirname, resolve } from 'node:path'
import { GomqError } from '@gomq/protocol'
import type { FileHandle, FileSystem } from '../file-system.js'
import { lockDirectory } from './directory-lock.js'

/** Chunks in one `writev`; the kernel takes 1,024 at most (IOV_MAX). */
const IOV_MAX = 1024

const FILE_SYSTEM: FileSystem = {
  async open(path, mode) {
    const handle = await fs.promises.open(path, mode === 'read' ? 'r' : mode === 'write' ? 'r+' : 'w+')
    return new NodeFileHandle(handle)
  },
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

class NodeFileHandle implements FileHandle {
  readonly #handle: fs.promises.FileHandle
  readonly #fd: number

  constructor(handle: fs.promises.FileHandle) {
    this.#handle = handle
    this.#fd = handle.fd
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let filled = 0
    while (filled < into.byteLength) {
      const { bytesRead } = await this.#handle.read(into, filled, into.byteLength - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return filled
  }

  writev(chunks: readonly Uint8Array[], position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const write = (rest: readonly Uint8Array[], at: number): void => {
        if (rest.every((chunk) => chunk.byteLength === 0)) {
          resolve()
          return
        }
        fs.writev(this.#fd, rest.slice(0, IOV_MAX), at, (error, written) => {
          if (error) reject(error)
          else if (written === 0) reject(new GomqError('STORAGE_FAILED', 'a write to the disk wrote nothing'))
          else write(dropBytes(rest, written), at + written)
        })
      }
      write(chunks, position)
    })
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => (error ? reject(error) : resolve()))
    })
  }

  truncate(bytes: number): Promise<void> {
    return this.#handle.truncate(bytes)
  }

  async sizeBytes(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** What is left of the chunks behind the first `count` bytes: a write may stop anywhere. */
function dropBytes(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count
  for (let i = 0; i < chunks.length; i++) {
    const chunk = chunks[i]!
    if (left < chunk.byteLength) return [chunk.subarray(left), ...chunks.slice(i + 1)]
    left -= chunk.byteLength
  }
  return []
}
