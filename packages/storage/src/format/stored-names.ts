import { decodeUtf8, readU32 } from '@gomq/protocol'
import type { TopicNames } from './topic-names.js'

/** Some names, one behind the other. */
interface Piece {
  /** Number of its first name. */
  readonly first: number
  readonly count: number
  /** In {@link StoredNames}'s bytes: with its length, without its array's head, and its end. */
  readonly from: number
  readonly namesFrom: number
  readonly to: number
  /** Where in the bytes each name begins; undefined until one is asked for. */
  starts: Uint32Array | undefined
}

/**
 * Names as an index file holds them. They stay bytes: of a million names few are asked for at a time, and making text of all of them would stop
 * everybody for a second. The first question about a piece finds out where its names begin, the only work that grows with a piece.
 */
export class StoredNames implements TopicNames {
  readonly count: number
  readonly #bytes: Uint8Array
  readonly #pieces: readonly Piece[]

  /** @param bytes  whose checksum holds; they are kept */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    const pieces: Piece[] = []
    let first = 0
    for (let from = 0; from < bytes.byteLength; ) {
      const to = from + 4 + readU32(bytes, from)
      const { count, from: namesFrom } = arrayAt(bytes, from + 4)
      pieces.push({ first, count, from, namesFrom, to, starts: undefined })
      first += count
      from = to
    }
    this.#pieces = pieces
    this.count = first
  }

  get memoryBytes(): number {
    let bytes = this.#bytes.byteLength
    for (const { starts } of this.#pieces) bytes += starts?.byteLength ?? 0
    return bytes
  }

  at(number: number): string {
    const piece = this.#pieceOf(number)
    piece.starts ??= startsOf(this.#bytes, piece)
    return nameAt(this.#bytes, piece.starts[number - piece.first]!)
  }

  *encode(): Generator<Uint8Array> {
    for (const { from, to } of this.#pieces) yield this.#bytes.subarray(from, to)
  }

  *[Symbol.iterator](): Generator<string> {
    for (let number = 0; number < this.count; number++) yield this.at(number)
  }

  #pieceOf(number: number): Piece {
    let low = 0
    let high = this.#pieces.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#pieces[middle]!.first <= number) low = middle
      else high = middle - 1
    }
    return this.#pieces[low]!
  }
}

function startsOf(bytes: Uint8Array, { count, namesFrom }: Piece): Uint32Array {
  const starts = new Uint32Array(count)
  for (let i = 0, at = namesFrom; i < count; i++) {
    starts[i] = at
    at = textAt(bytes, at).to
  }
  return starts
}

function nameAt(bytes: Uint8Array, at: number): string {
  const { from, to } = textAt(bytes, at)
  return decodeUtf8(bytes.subarray(from, to))
}

/** Where the msgpack text at `at` has its characters: fixstr, str 8, str 16 or str 32. */
function textAt(bytes: Uint8Array, at: number): { readonly from: number; readonly to: number } {
  const tag = bytes[at]!
  const lengthBytes = tag < 0xc0 ? 0 : 1 << (tag - 0xd9)
  const from = at + 1 + lengthBytes
  return { from, to: from + (lengthBytes === 0 ? tag & 0x1f : bigEndian(bytes, at + 1, lengthBytes)) }
}

/** The msgpack array at `at`: fixarray, array 16 or array 32. */
function arrayAt(bytes: Uint8Array, at: number): { readonly count: number; readonly from: number } {
  const tag = bytes[at]!
  const countBytes = tag < 0xa0 ? 0 : 2 << (tag - 0xdc)
  return {
    count: countBytes === 0 ? tag & 0x0f : bigEndian(bytes, at + 1, countBytes),
    from: at + 1 + countBytes,
  }
}

function bigEndian(bytes: Uint8Array, at: number, size: number): number {
  let value = 0
  for (let i = 0; i < size; i++) value = value * 0x100 + bytes[at + i]!
  return value
}
