import type { FileHandle } from '../file-system.js'
import { SCAN_CHUNK_BYTES } from '../limits.js'

/** A file of any size, seen through a buffer that moves along. */
export class FileWindow {
  readonly file: FileHandle
  /** Bytes of the file when the window was made, or fewer; what lies behind is not seen. */
  readonly fileBytes: number
  #chunk = new Uint8Array(0)
  #chunkAt = 0

  constructor(file: FileHandle, fileBytes: number) {
    this.file = file
    this.fileBytes = fileBytes
  }

  /** The file from `at` on: at least `bytesMin`, unless it ends before. What was returned earlier stays as it is. */
  async view(at: number, bytesMin: number): Promise<Uint8Array> {
    const end = Math.min(at + bytesMin, this.fileBytes)
    if (at < this.#chunkAt || end > this.#chunkAt + this.#chunk.byteLength) {
      const larger = new Uint8Array(Math.max(0, Math.min(this.fileBytes - at, Math.max(SCAN_CHUNK_BYTES, bytesMin))))
      this.#chunk = larger.subarray(0, await this.file.read(larger, at))
      this.#chunkAt = at
    }
    return this.#chunk.subarray(at - this.#chunkAt)
  }

  /** The next view reads the file again: somebody may have written to it. */
  forget(): void {
    this.#chunk = new Uint8Array(0)
  }
}
