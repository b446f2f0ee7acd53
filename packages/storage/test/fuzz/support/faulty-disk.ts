import { SeededRandom } from '@gomq/protocol/testing'
import type { FileHandle, FileSystem } from '../../../src/file-system.js'
import { SimDisk } from '../../../src/testing/sim-disk.js'
import { systemError } from '../../support/faulty-files.js'

/** A fault that waits for its call. */
interface Fault {
  /** Calls that are left until it strikes. */
  calls: number
  /** Calls that it strikes, one behind the other. */
  strikes: number
  readonly isForReads: boolean
}

/**
 * A simulated disk that also fails: any single call, or some in a row, with EIO or ENOSPC; writes stop half-way, a sync that fails has lost
 * what it was asked for. The machine may crash before any call, and a process may be killed while its disk and page cache go on.
 */
export class FaultyDisk {
  readonly sim: SimDisk
  /** Whether an error was thrown, or the disk was full, since it was last set to false. */
  hasFailed = false
  readonly #random: SeededRandom
  #life = 0
  #fault: Fault | undefined
  #crashIn = Number.POSITIVE_INFINITY
  #crashes = 0

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    this.sim = new SimDisk(this.#random)
    this.sim.onOperation = () => {
      if (--this.#crashIn === 0) this.crash()
      return this.#random.chance(0.3) ? settleSome(this.#random.below(5)) : undefined
    }
  }

  /** Whether the machine has crashed since the last {@link mount}. */
  get isDown(): boolean {
    return this.#crashes > 0
  }

  /** The machine will crash before the `calls`th call from now. */
  crashIn(calls: number): void {
    this.#crashIn = calls
  }

  /** The power fails now. */
  crash(): void {
    this.#life++
    this.#crashes++
    this.#crashIn = Number.POSITIVE_INFINITY
    this.#fault = undefined
    this.sim.faults.bytesMax = undefined
    this.sim.crash()
  }

  /** The process ends now: its calls fail and its lock is gone. What it wrote is seen by the next one, synced or not. */
  kill(): void {
    this.#life++
    this.#crashIn = Number.POSITIVE_INFINITY
    this.sim.locks.clear()
  }

  /** One of the next calls fails, and perhaps those behind it. */
  arm(): void {
    const random = this.#random
    this.#fault = { calls: random.below(25), strikes: random.pick([1, 1, 1, 2, 3, 5]), isForReads: random.chance(0.15) }
  }

  /** No fault waits any more, and the disk has room. */
  mend(): void {
    this.#fault = undefined
    this.sim.faults.bytesMax = undefined
  }

  /** The disk has so many bytes left. */
  fill(bytes: number): void {
    this.hasFailed = true
    this.sim.faults.bytesMax = undefined
    this.sim.faults.bytesMax = this.#usedBytes() + bytes
  }

  /** The disk for the next process. */
  mount(): FileSystem {
    this.#crashes = 0
    const life = this.#life
    const fs = this.sim.mount()
    const guard = () => {
      if (life !== this.#life) throw systemError('EBADF')
    }
    const changing = async <T>(call: () => Promise<T>): Promise<T> => {
      guard()
      this.#strike(false, ['EIO', 'EIO', 'EIO', 'ENOSPC'])
      return call()
    }
    return {
      open: async (path, mode) => {
        guard()
        this.#strike(mode === 'read', ['EIO', mode === 'read' ? 'EIO' : 'ENOSPC'])
        return this.#handle(await fs.open(path, mode), guard)
      },
      rename: (from, to) => changing(() => fs.rename(from, to)).then(() => this.#crashEarly()),
      remove: (path) => changing(() => fs.remove(path)).then(() => this.#crashEarly()),
      syncDirectory: (path) => changing(() => fs.syncDirectory(path)),
      list: async (path) => {
        guard()
        return fs.list(path)
      },
      makeDirectory: async (path) => {
        guard()
        await fs.makeDirectory(path)
      },
      freeBytes: (path) => fs.freeBytes(path),
      lock: async (path, onLost) => {
        guard()
        const lock = await fs.lock(path, onLost)
        return {
          confirm: () => lock.confirm(),
          release: async () => (life === this.#life ? lock.release() : undefined),
        }
      },
    }
  }

  #handle(file: FileHandle, guard: () => void): FileHandle {
    return {
      read: async (into, position) => {
        guard()
        this.#strike(true, ['EIO'])
        return file.read(into, position)
      },
      writev: async (chunks, position) => {
        guard()
        try {
          this.#strike(false, ['EIO', 'ENOSPC', 'ENOSPC'])
        } catch (error) {
          const bytes = Buffer.concat(chunks)
          await file.writev([bytes.subarray(0, this.#random.below(bytes.byteLength + 1))], position)
          throw error
        }
        await file.writev(chunks, position)
      },
      sync: async () => {
        guard()
        try {
          this.#strike(false, ['EIO'])
        } catch {
          // The disk itself fails it: what was written since the last sync is seen, and will never be there.
          this.sim.faults.syncsUntilError = 1
        }
        try {
          await file.sync()
        } finally {
          this.sim.faults.syncsUntilError = undefined
        }
      },
      truncate: async (bytes) => {
        guard()
        this.#strike(false, ['EIO'])
        await file.truncate(bytes)
      },
      sizeBytes: async () => {
        guard()
        return file.sizeBytes()
      },
      close: async () => {
        guard()
        await file.close()
      },
    }
  }

  /** Where a crash is on its way, it comes rather right behind a change of a directory: what is not synced yet is worth most there. */
  #crashEarly(): void {
    if (Number.isFinite(this.#crashIn) && this.#random.chance(0.15)) this.crash()
  }

  #strike(isRead: boolean, codes: readonly string[]): void {
    const fault = this.#fault
    if (fault === undefined || fault.isForReads !== isRead || fault.calls-- > 0) return
    if (--fault.strikes <= 0) this.#fault = undefined
    this.hasFailed = true
    throw systemError(this.#random.pick(codes))
  }

  #usedBytes(): number {
    const free = 1e12
    this.sim.faults.bytesMax = free
    return free - this.sim.freeBytes()
  }
}

/** Lets others work for some turns. */
export async function settleSome(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await Promise.resolve()
}
