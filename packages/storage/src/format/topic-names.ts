import { concatBytes, decodeUtf8, encodeMsgpack, writeU32 } from '@gomq/protocol'

/** The names of the topics of one segment, by number. */
export interface TopicNames extends Iterable<string> {
  /** How many there are; numbers are below. */
  readonly count: number
  /** Bytes of memory that they take, about. */
  readonly memoryBytes: number
  /** The name with this number, which is below {@link count}. */
  at(number: number): string
  /** The names as they stand in an index file, in pieces that are short work each: `u32 length`, msgpack array of strings. */
  encode(): Iterable<Uint8Array>
}

/** Names in a piece, and characters beyond its last name: short work to encode and to open. Earlier versions wrote 50,000 names. */
const PIECE_NAMES = 5_000
const PIECE_CHARACTERS = 128 * 1024
/** What a name takes beside its characters: string, slot in the list, entry in the map. */
const NAME_OVERHEAD_BYTES = 96

/** Names that are found by their bytes, at first and at most; powers of two. */
const FOUND_MIN = 64
const FOUND_MAX = 64 * 1024

/** Names to which others come; the first one is empty. */
export class GrowingNames implements TopicNames {
  readonly #names: string[] = []
  readonly #numbers = new Map<string, number>()
  #bytes = 0
  /**
   * Numbers of names by a hash of their bytes, the last name for each; 0: none. What is found here costs no text: a name is read from its bytes and
   * looked up as text only when it is new, not ASCII, or shares its place with another, so that a bad choice of names costs no more than that.
   */
  #found = new Uint32Array(FOUND_MIN)

  /** @param names  those that are there, each once */
  constructor(names: Iterable<string> = ['']) {
    for (const name of names) this.#add(name)
  }

  get count(): number {
    return this.#names.length
  }
  get memoryBytes(): number {
    return this.#bytes + this.#found.byteLength
  }

  at(number: number): string {
    return this.#names[number]!
  }

  /** Number of the name in UTF-8 from `start` to `end`, which is added if it is new. */
  numberIn(bytes: Uint8Array, start: number, end: number): number {
    const place = hashOf(bytes, start, end) & (this.#found.length - 1)
    const found = this.#found[place]!
    if (found > 0 && isText(this.#names[found]!, bytes, start, end)) return found
    const name = decodeUtf8(bytes.subarray(start, end))
    const number = this.#numbers.get(name) ?? this.#add(name)
    this.#found[place] = number
    if (2 * this.#names.length > this.#found.length && this.#found.length < FOUND_MAX)
      this.#found = new Uint32Array(this.#found.length * 4)
    return number
  }

  *encode(): Generator<Uint8Array> {
    for (let from = 0; from < this.count; ) {
      let to = from
      let characters = 0
      while (to < this.count && to < from + PIECE_NAMES && characters < PIECE_CHARACTERS)
        characters += this.#names[to++]!.length
      const piece = encodeMsgpack(this.#names.slice(from, to))
      const length = new Uint8Array(4)
      writeU32(length, 0, piece.byteLength)
      yield concatBytes([length, piece])
      from = to
    }
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#names.values()
  }

  #add(name: string): number {
    const number = this.#names.length
    this.#names.push(name)
    // The empty one is that of control batches, which nobody looks up.
    if (number > 0) this.#numbers.set(name, number)
    this.#bytes += NAME_OVERHEAD_BYTES + 2 * name.length
    return number
  }
}

/** FNV-1a, 32 bits. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash ^ (hash >>> 15)
}

/** Whether the bytes are `text`, which then is ASCII. */
function isText(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f || unit !== bytes[start + i]) return false
  }
  return true
}
