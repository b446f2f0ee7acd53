import type { SeededRandom } from '@gomq/protocol/testing'
import type { DirectoryLock, FileHandle, FileSystem } from '@gomq/storage'

/** Time, for those who wait. */
export interface Sleeper {
  /** Resolves `delayMs` from now. */
  sleep(delayMs: number): Promise<void>
}

/** What a disk does to those who wait for it. */
export interface DiskPace {
  /** Slow syncs take up to this long. */
  syncMsMax: number
  /** A planted bug: syncs do nothing. */
  readonly ignoresSyncs: boolean
}

/** The files as one process sees them: operations take virtual time, and after {@link kill} none ever ends. */
export class FaultyFileSystem implements FileSystem {
  readonly #inner: FileSystem
  readonly #clock: Sleeper
  readonly #random: SeededRandom
  readonly #pace: DiskPace
  #isDead = false

  constructor(inner: FileSystem, clock: Sleeper, random: SeededRandom, pace: DiskPace) {
    this.#inner = inner
    this.#clock = clock
    this.#random = random
    this.#pace = pace
  }

  /** The process is gone: what it asked for and did not get does not happen. */
  kill(): void {
    this.#isDead = true
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<FileHandle> {
    const file = await this.#after(0, () => this.#inner.open(path, mode))
    return {
      read: (into, position) => this.#after(1, () => file.read(into, position)),
      writev: (chunks, position) => this.#after(1, () => file.writev(chunks, position)),
      sync: () => this.#after(this.#pace.syncMsMax, () => (this.#pace.ignoresSyncs ? Promise.resolve() : file.sync())),
      truncate: (bytes) => this.#after(0, () => file.truncate(bytes)),
      sizeBytes: () => this.#after(0, () => file.sizeBytes()),
      close: () => this.#after(0, () => file.close()),
    }
  }

  rename(from: string, to: string): Promise<void> {
    return this.#after(1, () => this.#inner.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return this.#after(1, () => this.#inner.remove(path))
  }

  list(path: string): Promise<string[]> {
    return this.#after(0, () => this.#inner.list(path))
  }

  makeDirectory(path: string): Promise<void> {
    return this.#after(0, () => this.#inner.makeDirectory(path))
  }

  syncDirectory(path: string): Promise<void> {
    return this.#after(1, () => this.#inner.syncDirectory(path))
  }

  freeBytes(path: string): Promise<number> {
    return this.#after(1, () => this.#inner.freeBytes(path))
  }

  lock(path: string): Promise<DirectoryLock> {
    return this.#after(0, () => this.#inner.lock(path))
  }

  async #after<T>(delayMsMax: number, operate: () => Promise<T>): Promise<T> {
    if (delayMsMax > 0) await this.#clock.sleep(this.#random.below(delayMsMax + 1))
    if (this.#isDead) return new Promise<T>(() => undefined)
    return operate()
  }
}
