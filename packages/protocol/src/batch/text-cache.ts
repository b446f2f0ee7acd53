import { decodeUtf8 } from '../utf8.js'

const SLOTS = 256

/** Longest text that is worth remembering, in bytes. */
const REMEMBERED_BYTES_MAX = 40

/**
 * Remembers short texts by their bytes: the same few header names and values come with every record, and decoding one costs ten
 * times as much as finding it again. Bounded: one text per slot, the last one wins.
 */
export class TextCache {
  readonly #bytes: (Uint8Array | undefined)[] = new Array<Uint8Array | undefined>(SLOTS).fill(undefined)
  readonly #texts: string[] = new Array<string>(SLOTS).fill('')

  /**
   * The text in `bytes` from `start` to `end`.
   * @throws TypeError  if it is not UTF-8
   */
  decode(bytes: Uint8Array, start: number, end: number): string {
    const length = end - start
    if (length === 0) return ''
    if (length > REMEMBERED_BYTES_MAX) return decodeUtf8(bytes.subarray(start, end))
    const slot = (length + bytes[start]! * 7 + bytes[end - 1]! * 31 + bytes[start + (length >>> 1)]! * 3) & (SLOTS - 1)
    const known = this.#bytes[slot]
    if (known !== undefined && known.byteLength === length && isAt(known, bytes, start)) return this.#texts[slot]!
    const own = new Uint8Array(bytes.subarray(start, end))
    const text = decodeUtf8(own)
    this.#bytes[slot] = own
    this.#texts[slot] = text
    return text
  }
}

function isAt(known: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < known.byteLength; i++) if (known[i] !== bytes[start + i]) return false
  return true
}
