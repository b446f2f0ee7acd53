import { concatBytes, plainBytes, readU32 } from './bytes.js'
import { GomqError } from './errors.js'

/** A chunk below this size is copied behind the one before it, so that a peer that sends single bytes costs no object for each. */
const SMALL_CHUNK_BYTES = 1024

/** Bytes of an own chunk that takes in small ones. */
const JOINED_CHUNK_BYTES = 4 * SMALL_CHUNK_BYTES

/** A frame is a view on its chunk if it is at least this part of it, so that what is kept of a frame keeps at most four times its bytes. */
const VIEW_SHARE_MIN = 4

/** Bytes of the length that begins each frame: a little-endian u32 that counts the bytes after it. */
export const FRAME_LENGTH_BYTES = 4

/**
 * Cuts a byte stream into frames. A frame that makes up much of one chunk is a view on it, a small one a copy; one that spans chunks is joined once, when
 * its last byte is there: nothing is reserved for bytes that have only been announced, and small chunks that wait are put together.
 */
export class FrameSplitter {
  #frameBytesMax: number
  #chunks: Uint8Array[] = []
  /** Read position in the first chunk. */
  #at = 0
  /** Bytes from there to the end of the last chunk. */
  #buffered = 0
  /** Our own memory behind the last chunk, which is its first `#joinedBytes`; null if the last chunk came from outside. */
  #joined: Uint8Array | null = null
  #joinedBytes = 0

  /** @param frameBytesMax  greatest frame, without its length field */
  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax
  }

  /** Changes the bound for frames to come: small before CONNECT, the negotiated one after it. */
  set frameBytesMax(bytes: number) {
    this.#frameBytesMax = bytes
  }

  /** Bytes that wait for the rest of their frame. */
  get bufferedBytes(): number {
    return this.#buffered
  }

  /** Takes in bytes as they arrived; the chunk belongs to the splitter. Frames come out as plain `Uint8Array`s. */
  push(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return
    if (this.#buffered > 0 && chunk.byteLength < SMALL_CHUNK_BYTES) this.#join(chunk)
    else {
      this.#chunks.push(plainBytes(chunk))
      this.#joined = null
    }
    this.#buffered += chunk.byteLength
  }

  /**
   * The next whole frame without its length field, or undefined until more bytes come.
   * @throws GomqError FRAME_TOO_LARGE  as soon as the length is known
   */
  next(): Uint8Array | undefined {
    if (this.#buffered < FRAME_LENGTH_BYTES) return undefined
    const length = this.#peekLength()
    if (length > this.#frameBytesMax) {
      throw new GomqError(
        'FRAME_TOO_LARGE',
        `a frame announces ${length} bytes; the limit is ${this.#frameBytesMax}; send less or raise the message size limit`,
      )
    }
    if (this.#buffered < FRAME_LENGTH_BYTES + length) return undefined
    this.#skip(FRAME_LENGTH_BYTES)
    return this.#take(length)
  }

  #join(chunk: Uint8Array): void {
    if (this.#joined !== null && this.#joinedBytes + chunk.byteLength <= JOINED_CHUNK_BYTES) this.#chunks.pop()
    else {
      this.#joined = new Uint8Array(JOINED_CHUNK_BYTES)
      this.#joinedBytes = 0
    }
    // Frames that were handed out are views on bytes before these; they never change.
    this.#joined.set(chunk, this.#joinedBytes)
    this.#joinedBytes += chunk.byteLength
    this.#chunks.push(this.#joined.subarray(0, this.#joinedBytes))
  }

  #peekLength(): number {
    const first = this.#chunks[0]!
    if (first.byteLength - this.#at >= FRAME_LENGTH_BYTES) return readU32(first, this.#at)
    const bytes = new Uint8Array(FRAME_LENGTH_BYTES)
    let at = this.#at
    let filled = 0
    for (const chunk of this.#chunks) {
      while (at < chunk.byteLength && filled < FRAME_LENGTH_BYTES) bytes[filled++] = chunk[at++]!
      at = 0
    }
    return readU32(bytes, 0)
  }

  #skip(count: number): void {
    this.#buffered -= count
    this.#at += count
    while (this.#chunks.length > 0 && this.#at >= this.#chunks[0]!.byteLength) {
      this.#at -= this.#chunks[0]!.byteLength
      this.#chunks.shift()
    }
  }

  #take(length: number): Uint8Array {
    const first = this.#chunks[0]
    if (first !== undefined && first.byteLength - this.#at >= length) {
      const view = first.subarray(this.#at, this.#at + length)
      const frame = length * VIEW_SHARE_MIN < first.buffer.byteLength ? view.slice() : view
      this.#skip(length)
      return frame
    }
    const parts: Uint8Array[] = []
    let missing = length
    let used = 0
    for (let at = this.#at; missing > 0; at = 0) {
      const chunk = this.#chunks[used]!
      const part = chunk.subarray(at, at + missing)
      parts.push(part)
      missing -= part.byteLength
      if (missing > 0 || at + part.byteLength === chunk.byteLength) used++
      if (missing === 0) this.#at = at + part.byteLength === chunk.byteLength ? 0 : at + part.byteLength
    }
    this.#chunks.splice(0, used)
    this.#buffered -= length
    return concatBytes(parts)
  }
}
