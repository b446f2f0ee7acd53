import * as fs from 'node:fs'
import { join } from 'node:path'
import { GomqError } from '@gomq/protocol'
import type { DirectoryLock, FileHandle, FileSystem } from '../file-system.js'

/** Chunks in one `writev`; the kernel takes 1,024 at most (IOV_MAX). */
const IOV_MAX = 1024
const LOCK_FILE = 'LOCK'

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
  async makeDirectory(directory) {
    await fs.promises.mkdir(directory, { recursive: true })
  },
  async syncDirectory(directory) {
    const handle = await fs.promises.open(directory, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  lock: lockDirectory,
}

/** The real disk. */
export function nodeFileSystem(): FileSystem {
  return FILE_SYSTEM
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
        if (rest.length === 0) {
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

/** Node has no `flock`, so the lock is a file that names its process: pid and start time, which tell a dead owner from a living one. */
async function lockDirectory(directory: string): Promise<DirectoryLock> {
  await fs.promises.mkdir(directory, { recursive: true })
  const path = join(directory, LOCK_FILE)
  const mine = `${process.pid} ${startTimeOf(process.pid)}\n`
  for (let attempt = 0; attempt < 10; attempt++) {
    const temporary = `${path}.${process.pid}.${attempt}`
    await fs.promises.writeFile(temporary, mine)
    try {
      // A link appears with its content or not at all.
      await fs.promises.link(temporary, path)
      return { release: () => fs.promises.rm(path, { force: true }) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      await fs.promises.rm(temporary, { force: true })
    }
    const owner = await fs.promises.readFile(path, 'utf8').catch(() => '')
    const [pid = 0, startTime = ''] = owner
      .trim()
      .split(' ')
      .map((part, i) => (i === 0 ? Number(part) : part)) as [number, string]
    if (pid > 0 && isAlive(pid) && startTimeOf(pid) === startTime && !(pid === process.pid && startTime === '')) {
      throw new GomqError(
        'DATA_DIR_LOCKED',
        `the data directory ${directory} is used by process ${pid}; stop it or choose another --data-dir`,
      )
    }
    // The owner is dead. Renaming first makes sure that of two who see this only one removes the stale file.
    const stale = `${path}.stale.${process.pid}`
    await fs.promises.rename(path, stale).catch(() => undefined)
    await fs.promises.rm(stale, { force: true })
  }
  throw new GomqError(
    'DATA_DIR_LOCKED',
    `the lock of the data directory ${directory} changes hands all the time; is another broker starting there?`,
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Start time of a process in clock ticks since boot, so that a reused pid is not taken for the owner; empty where /proc is missing. */
function startTimeOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? ''
  } catch {
    return ''
  }
}
