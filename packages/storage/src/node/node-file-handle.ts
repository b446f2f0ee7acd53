import * as fs from 'node:fs'
import { performance } from 'node:perf_hooks'
import { GomqError } from '@gomq/protocol'
import type { FileHandle } from '../file-system.js'
import { SMALL_ROUND_BYTES_MAX } from '../limits.js'
import { QuickSyncs } from '../quick-syncs.js'

/** Chunks in one `writev`; the kernel takes 1,024 at most (IOV_MAX). */
const IOV_MAX = 1024

const DONE: Promise<void> = Promise.resolve()

/**
 * A file of the real disk. Calls go through the thread pool, but for small writes and their syncs where the disk is quick, which are done before
 * the call returns (docs/decisions/0027).
 */
export class NodeFileHandle implements FileHandle {
  readonly #handle: fs.promises.FileHandle
  readonly #fd: number
  readonly #syncs: QuickSyncs
  #unsyncedBytes = 0
  #unsyncedBatches = 0
  /** When the loop's load was looked at last, and the time of syncs on the loop since. */
  #looked = performance.eventLoopUtilization()
  #syncsMs = 0

  private constructor(handle: fs.promises.FileHandle, syncs: QuickSyncs) {
    this.#handle = handle
    this.#fd = handle.fd
    this.#syncs = syncs
  }

  /** Opens a file as {@link FileSystem.open} says. */
  static async open(
    path: string,
    mode: 'read' | 'write' | 'create',
    syncs: QuickSyncs = new QuickSyncs(),
  ): Promise<NodeFileHandle> {
    const handle = await fs.promises.open(path, mode === 'read' ? 'r' : mode === 'write' ? 'r+' : 'w+')
    return new NodeFileHandle(handle, syncs)
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
    for (const chunk of chunks) this.#unsyncedBytes += chunk.byteLength
    this.#unsyncedBatches += chunks.length
    if (this.#isQuick) return settled(() => this.#writeNow(chunks, position))
    return new Promise((resolve, reject) => {
      const write = (rest: readonly Uint8Array[], at: number): void => {
        if (isEmpty(rest)) {
          resolve()
          return
        }
        fs.writev(this.#fd, rest.slice(0, IOV_MAX), at, (error, written) => {
          if (error) reject(error)
          else if (written === 0) reject(wroteNothing())
          else write(dropBytes(rest, written), at + written)
        })
      }
      write(chunks, position)
    })
  }

  sync(): Promise<void> {
    const isSmall = this.#unsyncedBytes <= SMALL_ROUND_BYTES_MAX
    const isQuick = this.#isQuick
    const batches = this.#unsyncedBatches
    this.#unsyncedBytes = 0
    this.#unsyncedBatches = 0
    const startMs = performance.now()
    const handleSynced = (): void => {
      const tookMs = performance.now() - startMs
      if (isQuick) this.#syncsMs += tookMs
      if (isSmall) this.#syncs.handleSynced(tookMs, batches, this.#busyShare)
    }
    if (isQuick) {
      return settled(() => {
        fs.fdatasyncSync(this.#fd)
        handleSynced()
      })
    }
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => {
        if (error) {
          reject(error)
          return
        }
        handleSynced()
        resolve()
      })
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

  get #isQuick(): boolean {
    return this.#syncs.isQuick && this.#unsyncedBytes <= SMALL_ROUND_BYTES_MAX
  }

  /** The part of the time since the last call that the loop was busy, its syncs aside. */
  readonly #busyShare = (): number => {
    const now = performance.eventLoopUtilization()
    const { active, idle } = performance.eventLoopUtilization(now, this.#looked)
    const busyMs = Math.max(0, active - this.#syncsMs)
    this.#looked = now
    this.#syncsMs = 0
    return busyMs / Math.max(1, active + idle)
  }

  #writeNow(chunks: readonly Uint8Array[], position: number): void {
    let rest = chunks
    for (let at = position; !isEmpty(rest); ) {
      const written = fs.writevSync(this.#fd, rest.slice(0, IOV_MAX), at)
      if (written === 0) throw wroteNothing()
      rest = dropBytes(rest, written)
      at += written
    }
  }
}

/** A promise of what is done at once. */
function settled(work: () => void): Promise<void> {
  try {
    work()
    return DONE
  } catch (error) {
    return Promise.reject(error)
  }
}

function isEmpty(chunks: readonly Uint8Array[]): boolean {
  return chunks.every((chunk) => chunk.byteLength === 0)
}

function wroteNothing(): GomqError {
  return new GomqError('STORAGE_FAILED', 'a write to the disk wrote nothing')
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
