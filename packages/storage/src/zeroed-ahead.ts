import type { FileHandle } from './file-system.js'
import { isNoRoom } from './full-disk.js'
import { SMALL_ROUND_BYTES_MAX } from './limits.js'

/**
 * Zeros behind the log's end, on disk before they are needed. A small round then overwrites blocks that the file has already, and its sync
 * writes these blocks alone; a file that grows costs a record in the file system's journal with every sync (docs/decisions/0017).
 *
 * Only small rounds are worth it: a large one pays for its own bytes, and would pay for them twice. A file that is sealed or closed is cut to
 * what the log holds; after a crash recovery does so.
 */
export class ZeroedAhead {
  readonly #zeros: Uint8Array
  /** Up to here the file is zeros that were synced, behind what the log holds; 0 if there are none. */
  #endBytes = 0
  /** The disk had no room for zeros: not tried again before the log is this long. */
  #retryBytes = 0

  /** @param aheadBytes  written at once, 0 for none */
  constructor(aheadBytes: number) {
    this.#zeros = new Uint8Array(aheadBytes)
  }

  /** A round of `roundBytes` was synced and nothing waits: the file holds `usedBytes` of log, and may grow to `bytesMax`. */
  async handleSynced(file: FileHandle, usedBytes: number, roundBytes: number, bytesMax: number): Promise<void> {
    const from = Math.max(this.#endBytes, usedBytes)
    const end = Math.min(usedBytes + this.#zeros.byteLength, bytesMax)
    // Again when a sixteenth is left.
    if (usedBytes < this.#retryBytes) return
    if (roundBytes > SMALL_ROUND_BYTES_MAX || end <= from || 16 * (from - usedBytes) > this.#zeros.byteLength) return
    try {
      await file.writev([this.#zeros.subarray(0, end - from)], from)
    } catch (error) {
      if (!isNoRoom(error)) throw error
      // The room that there is belongs to batches. For good: a segment that is sealed next ends with its last batch.
      await file.truncate(usedBytes)
      await file.sync()
      this.forget()
      this.#retryBytes = usedBytes + this.#zeros.byteLength
      return
    }
    await file.sync()
    this.#endBytes = end
  }

  /** Cuts the file to the `usedBytes` that the log holds, for good. No write is under way. */
  async trim(file: FileHandle, usedBytes: number): Promise<void> {
    if (this.#endBytes <= usedBytes) return this.forget()
    await file.truncate(usedBytes)
    await file.sync()
    this.forget()
  }

  /** The file was cut, or another one is written from now on. */
  forget(): void {
    this.#endBytes = 0
    this.#retryBytes = 0
  }
}
