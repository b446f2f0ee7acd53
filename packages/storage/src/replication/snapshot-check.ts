import { type Crc32, concatBytes, type Offset, readU32 } from '@gomq/protocol'
import { readSealed, SEALED_HEAD_BYTES, valueOfVersion } from '../format/sealed-record.js'
import { SNAPSHOT_END_MAGIC, SNAPSHOT_ENTRY_HEAD_BYTES, SNAPSHOT_MAGIC, SNAPSHOT_VERSION } from '../snapshot.js'

/** Bytes of the records at a snapshot's start and end, at most: they hold two numbers. */
const SEALED_BYTES_MAX = 1024

type Part = 'head' | 'entry' | 'end' | 'nothing'

/** Verifies a snapshot while it goes by, in chunks of any size; entries are not kept. */
export class SnapshotCheck {
  readonly #crc32: Crc32
  #part: Part = 'head'
  /** The start of the part, as far as it has come. */
  #start: Uint8Array = new Uint8Array(0)
  /** Bytes of {@link #start} with which it can be told how to go on. */
  #wanted = SEALED_HEAD_BYTES
  #entryBytesLeft = 0
  #entryCrc = 0
  #entryCrcWanted = 0
  #entries = 0
  #isDamaged = false
  #beginOffset: Offset | undefined
  #endOffset: Offset | undefined

  constructor(crc32: Crc32) {
    this.#crc32 = crc32
  }

  /**
   * Takes the next bytes; false once they are no snapshot.
   * @throws GomqError UNSUPPORTED_FORMAT  another version wrote it
   */
  add(chunk: Uint8Array): boolean {
    for (let rest = chunk; rest.byteLength > 0 && !this.#isDamaged; ) {
      if (this.#part === 'nothing') this.#isDamaged = true
      else rest = this.#entryBytesLeft > 0 ? this.#takeEntry(rest) : this.#takeStart(rest)
    }
    return !this.#isDamaged
  }

  /** Where it begins and ends, if what was taken is a whole snapshot and nothing else. */
  get whole(): { readonly beginOffset: Offset; readonly endOffset: Offset } | undefined {
    if (this.#isDamaged || this.#beginOffset === undefined || this.#endOffset === undefined) return undefined
    return { beginOffset: this.#beginOffset, endOffset: this.#endOffset }
  }

  #takeEntry(bytes: Uint8Array): Uint8Array {
    const taken = bytes.subarray(0, this.#entryBytesLeft)
    this.#entryCrc = this.#crc32(taken, this.#entryCrc)
    this.#entryBytesLeft -= taken.byteLength
    if (this.#entryBytesLeft === 0) this.#endEntry()
    return bytes.subarray(taken.byteLength)
  }

  #takeStart(bytes: Uint8Array): Uint8Array {
    const taken = bytes.subarray(0, this.#wanted - this.#start.byteLength)
    this.#start = concatBytes([this.#start, taken])
    if (this.#start.byteLength === this.#wanted) {
      if (this.#part === 'entry') this.#handleEntryHead()
      else this.#handleSealed()
    }
    return bytes.subarray(taken.byteLength)
  }

  #handleEntryHead(): void {
    const length = readU32(this.#start, 0)
    if (length === SNAPSHOT_END_MAGIC) {
      this.#part = 'end'
      this.#wanted = SEALED_HEAD_BYTES
      return
    }
    this.#entryBytesLeft = length
    this.#entryCrc = this.#crc32(new Uint8Array(0))
    this.#entryCrcWanted = readU32(this.#start, 4)
    if (length === 0) this.#endEntry()
  }

  #endEntry(): void {
    if (this.#entryCrc !== this.#entryCrcWanted) this.#isDamaged = true
    this.#entries++
    this.#expect('entry', SNAPSHOT_ENTRY_HEAD_BYTES)
  }

  /** The first 16 bytes of the record at the start or at the end, or all of it. */
  #handleSealed(): void {
    if (this.#wanted === SEALED_HEAD_BYTES) {
      const bytes = SEALED_HEAD_BYTES + readU32(this.#start, 12)
      if (bytes > SEALED_BYTES_MAX) this.#isDamaged = true
      this.#wanted = bytes
      if (bytes > SEALED_HEAD_BYTES) return
    }
    const isHead = this.#part === 'head'
    const record = readSealed(this.#start, isHead ? SNAPSHOT_MAGIC : SNAPSHOT_END_MAGIC, this.#crc32)
    if (record === undefined) {
      this.#isDamaged = true
      return
    }
    const [first, second] = valueOfVersion(record, SNAPSHOT_VERSION, 'a snapshot') as [number, number]
    if (isHead) {
      this.#beginOffset = first as Offset
      this.#expect('entry', SNAPSHOT_ENTRY_HEAD_BYTES)
      return
    }
    if (first !== this.#entries) this.#isDamaged = true
    this.#endOffset = second as Offset
    this.#expect('nothing', 0)
  }

  #expect(part: Part, bytes: number): void {
    this.#part = part
    this.#wanted = bytes
    this.#start = new Uint8Array(0)
  }
}
