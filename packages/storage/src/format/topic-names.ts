import { concatBytes, encodeMsgpack, writeU32 } from '@gomq/protocol'

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

/** Names to which others come; the first one is empty. */
export class GrowingNames implements TopicNames {
  readonly #names: string[] = []
  readonly #numbers = new Map<string, number>()
  #bytes = 0

  /** @param names  those that are there, each once */
  constructor(names: Iterable<string> = ['']) {
    for (const name of names) this.#add(name)
  }

  get count(): number {
    return this.#names.length
  }
  get memoryBytes(): number {
    return this.#bytes
  }

  at(number: number): string {
    return this.#names[number]!
  }

  /** Number of the name, which is added if it is new. */
  numberOf(name: string): number {
    return this.#numbers.get(name) ?? this.#add(name)
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
