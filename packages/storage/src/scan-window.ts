import type { FileHandle } from './file-system.js'
import { SCAN_CARRY_BYTES, SCAN_CHUNK_BYTES } from './limits.js'

/** What comes next in the file, on its way into a buffer behind the room for what is carried over. */
interface NextChunk {
  readonly buffer: Uint8Array
  readonly count: Promise<number>
}

/**
 * A file that is read once from front to end, through two buffers that take turns: while one is looked at, the disk fills the other.
 *
 *     file      ....[ looked at       |at  ][ next                ]....
 *     buffers       [carry][chunk          ]
 *                                     [carry][chunk               ]     the end of one is copied before the next
 */
export class ScanWindow {
  readonly #file: FileHandle
  readonly #fileBytes: number
  /** Room in front of a chunk. */
  readonly #carryBytes: number
  #view: Uint8Array = new Uint8Array(0)
  #viewAt = 0
  #next: NextChunk | undefined
  /** The buffer that is looked at, if it is one of the two. */
  #used: Uint8Array | undefined
  #free: Uint8Array | undefined

  /** @param fileBytes  bytes of the file; what lies behind is not seen */
  constructor(file: FileHandle, fileBytes: number) {
    this.#file = file
    this.#fileBytes = fileBytes
    this.#carryBytes = Math.min(SCAN_CARRY_BYTES, fileBytes)
  }

  /** The file from `at` on, which never goes back: at least `bytesMin`, unless it ends before. Good until the next call. */
  async view(at: number, bytesMin: number): Promise<Uint8Array> {
    const end = this.#viewAt + this.#view.byteLength
    const wantedEnd = Math.min(at + bytesMin, this.#fileBytes)
    if (wantedEnd > end) await this.#move(at, wantedEnd - at)
    return this.#view.subarray(at - this.#viewAt)
  }

  /** Settles when no read is under way: the file may be closed then. */
  async end(): Promise<void> {
    await this.#next?.count.catch(() => undefined)
  }

  async #move(at: number, bytesMin: number): Promise<void> {
    const end = Math.max(at, this.#viewAt + this.#view.byteLength)
    const carried = this.#view.subarray(at - this.#viewAt)
    const { buffer, count } = this.#next ?? this.#read(end)
    const bytes = await count
    const used = this.#used
    if (carried.byteLength <= this.#carryBytes && bytesMin <= carried.byteLength + bytes) {
      const from = this.#carryBytes - carried.byteLength
      buffer.set(carried, from)
      this.#view = buffer.subarray(from, this.#carryBytes + bytes)
      this.#used = buffer
    } else {
      // A batch larger than a chunk has memory of its own.
      const larger = new Uint8Array(Math.min(this.#fileBytes - at, Math.max(SCAN_CHUNK_BYTES, bytesMin)))
      this.#view = larger.subarray(0, await this.#file.read(larger, at))
      this.#used = undefined
      this.#free = buffer
    }
    this.#viewAt = at
    this.#free = used ?? this.#free
    this.#next = undefined
    const nextAt = at + this.#view.byteLength
    if (nextAt < this.#fileBytes && this.#view.byteLength > 0) this.#next = this.#read(nextAt)
  }

  #read(at: number): NextChunk {
    const bytes = Math.min(SCAN_CHUNK_BYTES, this.#fileBytes - at)
    const buffer = this.#free ?? new Uint8Array(this.#carryBytes + Math.min(SCAN_CHUNK_BYTES, this.#fileBytes))
    this.#free = undefined
    const count = this.#file.read(buffer.subarray(this.#carryBytes, this.#carryBytes + bytes), at)
    // Whoever moves on learns of it.
    count.catch(() => undefined)
    return { buffer, count }
  }
}
