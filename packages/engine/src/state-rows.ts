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
    return new StateRows(pack(0, rows))
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
  let block: Row[] = []
  for (const row of rows) {
    if (block.push(row) < perBlock) continue
    yield encodeMsgpack(pack(kind, block))
    block = []
  }
  if (block.length > 0) yield encodeMsgpack(pack(kind, block))
}

/** The elements of any entry of a snapshot, our own, however long. @throws GomqError MALFORMED_FRAME */
export function elementsOf(entry: Uint8Array): readonly unknown[] {
  return decodeMsgpack(entry, Number.POSITIVE_INFINITY) as unknown[]
}

function pack(kind: number, rows: readonly Row[]): unknown[] {
  const texts: string[] = []
  const block: unknown[] = [kind, rows.length, '']
  const add = (value: unknown): void => {
    if (typeof value === 'string') {
      block.push(value.length)
      texts.push(value)
    } else if (Array.isArray(value)) {
      block.push(value.length)
      for (const element of value) add(element)
    } else block.push(value)
  }
  for (const row of rows) for (const value of row) add(value)
  block[2] = texts.join('')
  return block
}
