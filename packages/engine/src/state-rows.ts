import { decodeMsgpack, encodeMsgpack } from '@gomq/protocol'

const NONE: readonly number[] = []

/** One state entry of a part of the state: text, numbers, null, bytes, and lists of text or of numbers, in an order that the part knows. */
export type Row = readonly unknown[]

/**
 * State entries of one kind, read one value after the other. Text of all of them comes as one, which is cut up here, and everything else in
 * one flat list: a start reads a hundred thousand of them, and an array for each costs more than what is in it.
 *
 *     rows      ['c1', 60, null] ['c2', 0, null]
 *     on disk   [kind, 2, 'c1c2', 2, 60, null, 2, 0, null]        text is its length, in UTF-16 units; a list is its length and its elements
 *
 * Values are trusted: a checksum stands over each block, and this program wrote it.
 */
export class StateRows {
  /** Rows in all. */
  readonly count: number
  readonly #text: string
  readonly #values: readonly unknown[]
  #textAt = 0
  #at: number

  /** @param block  kind, count, text, values: what {@link packedRows} writes, decoded */
  constructor(block: readonly unknown[]) {
    this.count = block[1] as number
    this.#text = block[2] as string
    this.#values = block
    this.#at = 3
  }

  /** The rows as they were before they were packed, to be read in the same way. */
  static of(rows: readonly Row[]): StateRows {
    const packer = new RowPacker(0)
    for (const row of rows) {
      for (const value of row) packer.add(value)
      packer.endRow()
    }
    return new StateRows(packer.take())
  }

  /** Text. */
  text(): string {
    const from = this.#textAt
    this.#textAt = from + (this.#values[this.#at++] as number)
    return this.#text.slice(from, this.#textAt)
  }

  /** A number. */
  number(): number {
    return this.#values[this.#at++] as number
  }

  /** Null, or a number. */
  numberOrNull(): number | null {
    return this.#values[this.#at++] as number | null
  }

  /** Null, or bytes, a view on those of the block. */
  bytesOrNull(): Uint8Array | null {
    return this.#values[this.#at++] as Uint8Array | null
  }

  /** A list of text. */
  texts(): string[] {
    const length = this.number()
    if (length === 0) return []
    // A list that begins with its first element is as long as it needs to be; one that grows from nothing has room for 17.
    const texts = [this.text()]
    while (texts.length < length) texts.push(this.text())
    return texts
  }

  /** A list of numbers; all that are empty are one. */
  numbers(): readonly number[] {
    const length = this.number()
    if (length === 0) return NONE
    const from = this.#at
    this.#at += length
    return this.#values.slice(from, this.#at) as number[]
  }
}

/** Packs rows of a kind, at most `perBlock` in each block of bytes; a live walk. */
export function* packedRows(kind: number, rows: Iterable<Row>, perBlock: number): Generator<Uint8Array> {
  const packer = new RowPacker(kind)
  for (const row of rows) {
    for (const value of row) packer.add(value)
    if (packer.endRow() >= perBlock) yield encodeMsgpack(packer.take())
  }
  if (packer.count > 0) yield encodeMsgpack(packer.take())
}

/** Puts rows together, one value after the other, without an array for each. */
export class RowPacker {
  readonly #kind: number
  #texts: string[] = []
  #block: unknown[]
  #count = 0

  constructor(kind: number) {
    this.#kind = kind
    this.#block = [kind, 0, '']
  }

  /** Rows since the last {@link take}. */
  get count(): number {
    return this.#count
  }

  /** The next value of the row: text, a number, null, bytes, or a list of text or of numbers. */
  add(value: unknown): void {
    if (typeof value === 'string') {
      this.#block.push(value.length)
      this.#texts.push(value)
    } else if (Array.isArray(value)) {
      this.#block.push(value.length)
      for (const element of value) this.add(element)
    } else this.#block.push(value)
  }

  /** The row is whole. @returns {@link count} */
  endRow(): number {
    return ++this.#count
  }

  /** The rows so far as one block, to be encoded; the next begins empty. */
  take(): unknown[] {
    const block = this.#block
    block[1] = this.#count
    block[2] = this.#texts.join('')
    this.#block = [this.#kind, 0, '']
    this.#texts = []
    this.#count = 0
    return block
  }
}

/** The elements of any entry of a snapshot, our own, however long. @throws GomqError MALFORMED_FRAME */
export function elementsOf(entry: Uint8Array): readonly unknown[] {
  return decodeMsgpack(entry, Number.POSITIVE_INFINITY) as unknown[]
}
