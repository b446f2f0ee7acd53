import { GomqError, type Random, randomInteger } from '@gomq/protocol'
import type { DirectoryLock, FileHandle, FileSystem } from '../file-system.js'
import { SimFile } from './sim-file.js'

/** Faults that a test switches on. */
export interface SimFaults {
  /** Syncs of files until one fails with EIO, and all after it; undefined: none fails. */
  syncsUntilError?: number | undefined
  /** Bytes of all files together; a write beyond fails with ENOSPC after it wrote what fitted. */
  bytesMax?: number | undefined
}

/** A change of a directory that a crash may undo until the directory is synced. */
export type DirectoryChange =
  | { readonly kind: 'link'; readonly name: string; readonly file: SimFile }
  | { readonly kind: 'unlink'; readonly name: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string; readonly file: SimFile }

/** A directory: what is seen, what would survive, and the changes between the two. */
export interface SimDirectory {
  seen: Map<string, SimFile>
  durable: Map<string, SimFile>
  changes: DirectoryChange[]
}

/**
 * A disk in memory that is as unkind as a real one may be. What was not synced is lost in any combination: single sectors of a
 * write, the file's size, creations, renames and removals each for themselves.
 *
 *     const disk = new SimDisk(random)
 *     const fs = disk.mount()   // use it, then
 *     disk.crash()              // `fs`, its handles and locks are dead; mount again
 */
export class SimDisk {
  readonly faults: SimFaults = {}
  /** Awaited before each operation: lets a simulator delay them. */
  onOperation: () => Promise<void> | void = () => {}
  /** File syncs so far. */
  syncs: number = 0
  /** Handles that were opened in this life and not closed. */
  openHandles: number = 0
  readonly #random: Random
  readonly #directories: Map<string, SimDirectory> = new Map()
  /** @internal */
  readonly locks: Set<string> = new Set()
  /** Counts crashes; handles of an earlier life are dead. */
  #life = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** The power fails: unsynced state is lost in part, everything open is dead. @returns sectors and changes of size that are lost */
  crash(): number {
    this.#life++
    this.locks.clear()
    this.openHandles = 0
    this.faults.syncsUntilError = undefined
    const files = new Set<SimFile>()
    for (const directory of this.#directories.values()) {
      for (const change of directory.changes) if (this.#random.next() < 0.5) apply(directory.durable, change)
      directory.changes = []
      directory.seen = new Map(directory.durable)
      for (const file of directory.seen.values()) files.add(file)
    }
    let lost = 0
    for (const file of files) lost += file.crash(this.#random)
    return lost
  }

  /** Flips one random bit of a file that is there; for tests of damage. */
  flipBit(path: string, position: number, bit: number): void {
    this.#find(path).flipBit(position, bit)
  }

  /** The bytes of a file as they are seen now. */
  bytesOf(path: string): Uint8Array {
    return this.#find(path).bytes.slice()
  }

  /** Puts a file there, durably. */
  put(path: string, bytes: Uint8Array): void {
    const [directory, name] = this.place(path)
    const file = new SimFile()
    file.write(bytes, 0)
    file.sync()
    directory.seen.set(name, file)
    directory.durable.set(name, file)
  }

  /** The disk as a file system, until the next crash. */
  mount(): FileSystem {
    return new SimFileSystem(this, this.#life)
  }

  /** @internal */
  checkAlive(life: number): void {
    if (life !== this.#life) throw systemError('EBADF', 'the machine has crashed since this file was opened')
  }

  /** @internal */
  countSync(): void {
    this.syncs++
    const { syncsUntilError } = this.faults
    if (syncsUntilError === undefined) return
    if (syncsUntilError <= 1) throw systemError('EIO', 'input/output error')
    this.faults.syncsUntilError = syncsUntilError - 1
  }

  /** Bytes that a write may still add. */
  freeBytes(): number {
    if (this.faults.bytesMax === undefined) return Number.POSITIVE_INFINITY
    let used = 0
    for (const directory of this.#directories.values())
      for (const file of directory.seen.values()) used += file.bytes.byteLength
    return Math.max(0, this.faults.bytesMax - used)
  }

  /** A random cut of `bytes`, for writes that stop half-way. @internal */
  cut(bytes: number): number {
    return randomInteger(this.#random, 0, bytes + 1)
  }

  #find(path: string): SimFile {
    const [directory, name] = this.place(path)
    const file = directory.seen.get(name)
    if (file === undefined) throw systemError('ENOENT', `no such file: ${path}`)
    return file
  }

  /** Directory and name of a path. @internal */
  place(path: string): [SimDirectory, string] {
    const slash = path.lastIndexOf('/')
    return [this.directory(path.slice(0, Math.max(0, slash))), path.slice(slash + 1)]
  }

  /** @internal */
  directory(path: string): SimDirectory {
    let directory = this.#directories.get(path)
    if (directory === undefined)
      this.#directories.set(path, (directory = { seen: new Map(), durable: new Map(), changes: [] }))
    return directory
  }
}

/** A disk as one life of the machine sees it. */
class SimFileSystem implements FileSystem {
  readonly #disk: SimDisk
  readonly #life: number

  constructor(disk: SimDisk, life: number) {
    this.#disk = disk
    this.#life = life
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<FileHandle> {
    await this.#begin()
    this.#checkAlive()
    const [directory, name] = this.#disk.place(path)
    let file = directory.seen.get(name)
    if (mode === 'create') {
      if (file === undefined) {
        file = new SimFile()
        directory.seen.set(name, file)
        directory.changes.push({ kind: 'link', name, file })
      } else file.truncate(0)
    }
    if (file === undefined) throw systemError('ENOENT', `no such file: ${path}`)
    return new SimFileHandle(this.#disk, file, this.#life, mode !== 'read')
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#begin()
    this.#checkAlive()
    const [directory, name] = this.#disk.place(from)
    const [other, target] = this.#disk.place(to)
    const file = directory.seen.get(name)
    if (file === undefined) throw systemError('ENOENT', `no such file: ${from}`)
    if (other !== directory) throw systemError('EXDEV', 'renames between directories are not simulated')
    const change: DirectoryChange = { kind: 'rename', from: name, to: target, file }
    apply(directory.seen, change)
    directory.changes.push(change)
  }

  async remove(path: string): Promise<void> {
    await this.#begin()
    this.#checkAlive()
    const [directory, name] = this.#disk.place(path)
    if (!directory.seen.delete(name)) return
    directory.changes.push({ kind: 'unlink', name })
  }

  async list(path: string): Promise<string[]> {
    await this.#begin()
    this.#checkAlive()
    return [...this.#disk.directory(path).seen.keys()]
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#begin()
    this.#checkAlive()
    this.#disk.directory(path)
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#begin()
    this.#checkAlive()
    const directory = this.#disk.directory(path)
    directory.durable = new Map(directory.seen)
    directory.changes = []
  }

  async freeBytes(): Promise<number> {
    await this.#begin()
    this.#checkAlive()
    return this.#disk.freeBytes()
  }

  async lock(path: string): Promise<DirectoryLock> {
    await this.#begin()
    this.#checkAlive()
    const { locks } = this.#disk
    if (locks.has(path)) {
      throw new GomqError('DATA_DIR_LOCKED', `the data directory ${path} is in use; stop the other broker`)
    }
    locks.add(path)
    let isHeld = true
    return {
      confirm: () => undefined,
      release: async () => {
        await this.#begin()
        this.#checkAlive()
        if (isHeld) locks.delete(path)
        isHeld = false
      },
    }
  }

  #begin(): Promise<void> | void {
    this.#disk.checkAlive(this.#life)
    return this.#disk.onOperation()
  }

  /** Right before an operation has its effect: the machine may have crashed while it waited. */
  #checkAlive(): void {
    this.#disk.checkAlive(this.#life)
  }
}

class SimFileHandle implements FileHandle {
  readonly #disk: SimDisk
  readonly #file: SimFile
  readonly #life: number
  readonly #isWritable: boolean
  #isFailed = false
  #isClosed = false

  constructor(disk: SimDisk, file: SimFile, life: number, isWritable: boolean) {
    this.#disk = disk
    this.#file = file
    this.#life = life
    this.#isWritable = isWritable
    disk.openHandles++
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    await this.#begin()
    this.#checkAlive()
    const bytes = this.#file.bytes.subarray(position, position + into.byteLength)
    into.set(bytes)
    return bytes.byteLength
  }

  async writev(chunks: readonly Uint8Array[], position: number): Promise<void> {
    await this.#begin()
    this.#checkAlive()
    this.#checkWritable()
    let at = position
    for (const chunk of chunks) {
      const growth = Math.max(0, at + chunk.byteLength - this.#file.bytes.byteLength)
      if (growth > this.#disk.freeBytes()) {
        this.#file.write(chunk.subarray(0, this.#disk.cut(chunk.byteLength)), at)
        throw systemError('ENOSPC', 'no space left on device')
      }
      this.#file.write(chunk, at)
      at += chunk.byteLength
    }
  }

  async sync(): Promise<void> {
    await this.#begin()
    this.#checkAlive()
    if (!this.#isFailed) {
      try {
        this.#disk.countSync()
      } catch (error) {
        // The kernel marks the pages clean and reports success ever after, although nothing reached the disk.
        this.#isFailed = true
        this.#file.dropUnsynced()
        throw error
      }
    }
    if (!this.#isFailed) this.#file.sync()
  }

  async truncate(bytes: number): Promise<void> {
    await this.#begin()
    this.#checkAlive()
    this.#checkWritable()
    this.#file.truncate(bytes)
  }

  async sizeBytes(): Promise<number> {
    await this.#begin()
    this.#checkAlive()
    return this.#file.bytes.byteLength
  }

  async close(): Promise<void> {
    await this.#begin()
    this.#checkAlive()
    this.#isClosed = true
    this.#disk.openHandles--
  }

  #begin(): Promise<void> | void {
    this.#disk.checkAlive(this.#life)
    return this.#disk.onOperation()
  }

  /** Right before an operation has its effect: the machine may have crashed while it waited. */
  #checkAlive(): void {
    this.#disk.checkAlive(this.#life)
    if (this.#isClosed) throw systemError('EBADF', 'the file is closed')
  }

  #checkWritable(): void {
    if (!this.#isWritable) throw systemError('EBADF', 'the file was opened for reading')
  }
}

function apply(names: Map<string, SimFile>, change: DirectoryChange): void {
  if (change.kind === 'unlink') names.delete(change.name)
  else if (change.kind === 'link') names.set(change.name, change.file)
  else {
    if (names.get(change.from) === change.file) names.delete(change.from)
    names.set(change.to, change.file)
  }
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}
