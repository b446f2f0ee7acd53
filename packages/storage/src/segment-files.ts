import type { FileHandle, FileSystem } from './file-system.js'

interface OpenFile {
  readonly handle: Promise<FileHandle>
  /** Readers that use it now; only a file without any is closed. */
  users: number
}

/**
 * Segment files that are open for readers: opened when needed, the least recently used closed above a bound, so that a log of any length
 * has few descriptors. Files in use stay open, which those who read at once bound.
 */
export class SegmentFiles {
  readonly #fs: FileSystem
  readonly #openMax: number
  /** The least recently used first. */
  readonly #open = new Map<string, OpenFile>()

  /** @param openMax  files kept open when nobody uses them, 0 or more */
  constructor(fs: FileSystem, openMax: number) {
    this.#fs = fs
    this.#openMax = openMax
  }

  /** Files open now. */
  get openCount(): number {
    return this.#open.size
  }

  /** Lends the file to `work`, which must not close it or keep it. */
  async use<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
    const open = this.#open.get(path) ?? { handle: this.#fs.open(path, 'read'), users: 0 }
    this.#open.delete(path)
    this.#open.set(path, open)
    open.users++
    try {
      return await work(await open.handle)
    } finally {
      open.users--
      await this.#evict(path, open)
    }
  }

  /** Closes the file, if it is open; nobody may be using it. */
  async forget(path: string): Promise<void> {
    const open = this.#open.get(path)
    this.#open.delete(path)
    if (open !== undefined) await (await open.handle).close()
  }

  /** Closes all; nobody may be using them. */
  async close(): Promise<void> {
    for (const path of [...this.#open.keys()]) await this.forget(path)
  }

  async #evict(used: string, file: OpenFile): Promise<void> {
    // One that could not be opened is tried anew next time.
    const isBroken = await file.handle.then(
      () => false,
      () => true,
    )
    if (isBroken && this.#open.get(used) === file) this.#open.delete(used)
    if (this.#open.size <= this.#openMax) return
    for (const [path, open] of [...this.#open]) {
      if (open.users > 0 || this.#open.size <= this.#openMax) continue
      this.#open.delete(path)
      await open.handle.then((handle) => handle.close()).catch(() => undefined)
    }
  }
}
