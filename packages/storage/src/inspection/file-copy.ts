import type { Crc32 } from '@gomq/protocol'
import type { FileHandle, FileSystem } from '../file-system.js'
import { SCAN_CHUNK_BYTES, SNAPSHOT_FLUSH_BYTES } from '../limits.js'

/** Size and checksum of a whole file. */
export interface FileSum {
  readonly bytes: number
  readonly crc: number
}

/** Writes a file from its start, piece by piece in few writes, and sums it up. */
export class SummedWriter {
  readonly #file: FileHandle
  readonly #crc32: Crc32
  #pieces: Uint8Array[] = []
  #pending = 0
  #bytes = 0
  #crc = 0

  constructor(file: FileHandle, crc32: Crc32) {
    this.#file = file
    this.#crc32 = crc32
  }

  /** Adds bytes, which nobody changes until {@link finish}. */
  async add(bytes: Uint8Array): Promise<void> {
    this.#pieces.push(bytes)
    this.#pending += bytes.byteLength
    this.#crc = this.#crc32(bytes, this.#crc)
    if (this.#pending >= SNAPSHOT_FLUSH_BYTES) await this.#flush()
  }

  /** Writes what is left and syncs the file. */
  async finish(): Promise<FileSum> {
    await this.#flush()
    await this.#file.sync()
    return { bytes: this.#bytes, crc: this.#crc }
  }

  async #flush(): Promise<void> {
    await this.#file.writev(this.#pieces, this.#bytes)
    this.#bytes += this.#pending
    this.#pieces = []
    this.#pending = 0
  }
}

/** Creates a file whose content `write` gives; it is synced, its directory is not. */
export async function createFile(
  fs: FileSystem,
  path: string,
  crc32: Crc32,
  write: (writer: SummedWriter) => Promise<unknown>,
): Promise<FileSum> {
  const file = await fs.open(path, 'create')
  try {
    const writer = new SummedWriter(file, crc32)
    await write(writer)
    return await writer.finish()
  } finally {
    await file.close()
  }
}

/** The bytes of a file, chunk by chunk, up to its size at the beginning. */
export async function* chunksOf(fs: FileSystem, path: string): AsyncGenerator<Uint8Array, void> {
  const file = await fs.open(path, 'read')
  try {
    const bytes = await file.sizeBytes()
    for (let at = 0; at < bytes; at += SCAN_CHUNK_BYTES) {
      const chunk = new Uint8Array(Math.min(SCAN_CHUNK_BYTES, bytes - at))
      yield chunk.subarray(0, await file.read(chunk, at))
    }
  } finally {
    await file.close()
  }
}

/** Copies a file as it is; the copy is synced, its directory is not. */
export function copyFile(
  fs: FileSystem,
  from: string,
  to: string,
  crc32: Crc32,
  onBytes?: (bytes: number) => void,
): Promise<FileSum> {
  return createFile(fs, to, crc32, async (writer) => {
    for await (const chunk of chunksOf(fs, from)) {
      await writer.add(chunk)
      onBytes?.(chunk.byteLength)
    }
  })
}

/** Reads a file and sums it up. */
export async function sumFile(
  fs: FileSystem,
  path: string,
  crc32: Crc32,
  onBytes?: (bytes: number) => void,
): Promise<FileSum> {
  let bytes = 0
  let crc = 0
  for await (const chunk of chunksOf(fs, path)) {
    bytes += chunk.byteLength
    crc = crc32(chunk, crc)
    onBytes?.(chunk.byteLength)
  }
  return { bytes, crc }
}
