import { GomqError } from '../errors.js'
import { RECORD_HEADERS_MAX } from '../limits.js'
import { decodeUtf8 } from '../utf8.js'
import type { DecodedRecord, Headers } from './record.js'
import { TextCache } from './text-cache.js'

/** Names and values of headers; keys differ too much for it. */
const headerTexts = new TextCache()

/**
 * Decodes the record in `bytes` from `start` to `end`. The value and binary parts are views, not copies.
 *
 * Fields after the fourth are ignored, so that a later version can add some.
 * @throws GomqError BAD_RECORD  the bytes are no record; the rest of the batch is not affected
 */
export function decodeRecord(bytes: Uint8Array, start: number, end: number): DecodedRecord {
  return decodePlainRecord(bytes, start, end) ?? decodeAnyRecord(bytes, start, end)
}

/**
 * What most records are: a delta below 128 ms, no key, a value of less than 256 bytes, no headers. Undefined for any other, and for one that is bad.
 */
function decodePlainRecord(bytes: Uint8Array, start: number, end: number): DecodedRecord | undefined {
  const timestampDeltaMs = bytes[start + 1]!
  if (bytes[start] !== 0x94 || timestampDeltaMs >= 0x80 || bytes[start + 2] !== 0xc0) return undefined
  const tag = bytes[start + 3]!
  const isShort = tag >> 5 === 0b101
  if (!isShort && tag !== 0xc4 && tag !== 0xd9) return undefined
  const from = isShort ? start + 4 : start + 5
  const to = from + (isShort ? tag & 0x1f : bytes[start + 4]!)
  // Only here is it sure that all that was looked at belongs to the record.
  if (to + 1 !== end || bytes[to] !== 0xc0) return undefined
  return { timestampDeltaMs, key: null, value: bytes.subarray(from, to), isText: tag !== 0xc4, headers: null }
}

function decodeAnyRecord(bytes: Uint8Array, start: number, end: number): DecodedRecord {
  const reader = new RecordReader(bytes, start, end)
  const fields = reader.arrayLength()
  if (fields < 4) reader.bad(`an array of ${fields} fields instead of 4`)
  const timestampDeltaMs = reader.integer()
  const key = reader.optionalBytesOrText('the key')
  const isText = reader.isText()
  const value = reader.bytes('the value')
  const headers = reader.headers()
  if (fields === 4) reader.expectEnd()
  return { timestampDeltaMs, key, value, isText, headers }
}

/** Walks one record with every length checked against its end. */
class RecordReader {
  readonly #bytes: Uint8Array
  readonly #start: number
  readonly #end: number
  #at: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    this.#at = start
  }

  arrayLength(): number {
    const tag = this.#byte()
    if (tag >> 4 === 0x9) return tag & 0x0f
    return this.bad(`tag 0x${tag.toString(16)} instead of a short array`)
  }

  integer(): number {
    const value = this.#integer()
    if (!Number.isSafeInteger(value)) this.bad('the timestamp is beyond 2^53')
    return value
  }

  #integer(): number {
    const tag = this.#byte()
    if (tag < 0x80) return tag
    if (tag >= 0xe0) return tag - 0x100
    if (tag === 0xcc) return this.#byte()
    if (tag === 0xcd) return this.#uint(2)
    if (tag === 0xce) return this.#uint(4)
    if (tag === 0xcf) return this.#uint(4) * 0x1_0000_0000 + this.#uint(4)
    if (tag === 0xd0) return (this.#byte() << 24) >> 24
    if (tag === 0xd1) return (this.#uint(2) << 16) >> 16
    if (tag === 0xd2) return this.#uint(4) | 0
    if (tag === 0xd3) return (this.#uint(4) | 0) * 0x1_0000_0000 + this.#uint(4)
    return this.bad(`tag 0x${tag.toString(16)} instead of the timestamp`)
  }

  /** Whether what comes next is text. */
  isText(): boolean {
    const tag = this.#at < this.#end ? this.#bytes[this.#at]! : 0
    return tag >> 5 === 0b101 || (tag >= 0xd9 && tag <= 0xdb)
  }

  optionalBytesOrText(what: string): string | Uint8Array | null {
    if (this.#at < this.#end && this.#bytes[this.#at] === 0xc0) {
      this.#at++
      return null
    }
    return this.#bytesOrText(what)
  }

  bytes(what: string): Uint8Array {
    const length = this.#span(what)
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  headers(): Headers | null {
    const tag = this.#byte()
    if (tag === 0xc0) return null
    const count =
      tag >> 4 === 0x8
        ? tag & 0x0f
        : tag === 0xde
          ? this.#uint(2)
          : this.bad(`tag 0x${tag.toString(16)} instead of the headers`)
    if (count > RECORD_HEADERS_MAX) this.bad(`${count} headers; at most ${RECORD_HEADERS_MAX} are allowed`)
    const headers: Record<string, string | Uint8Array> = Object.create(null)
    for (let i = 0; i < count; i++) {
      if (!this.isText()) this.bad('the name of a header is not text')
      const name = this.#headerText('the name of a header')
      headers[name] = this.isText() ? this.#headerText('a header') : this.bytes('a header')
    }
    return headers
  }

  expectEnd(): void {
    if (this.#at !== this.#end) this.bad(`${this.#end - this.#at} bytes after the record`)
  }

  bad(what: string): never {
    throw new GomqError(
      'BAD_RECORD',
      `the record cannot be decoded: ${what}, at byte ${this.#at - this.#start} of ${this.#end - this.#start}`,
    )
  }

  #bytesOrText(what: string): string | Uint8Array {
    return this.isText() ? this.#text(what) : this.bytes(what)
  }

  #headerText(what: string): string {
    const length = this.#span(what)
    try {
      return headerTexts.decode(this.#bytes, this.#at - length, this.#at)
    } catch {
      return this.bad(`${what} is not valid UTF-8`)
    }
  }

  #text(what: string): string {
    const bytes = this.bytes(what)
    try {
      return decodeUtf8(bytes)
    } catch {
      return this.bad(`${what} is not valid UTF-8`)
    }
  }

  /** Goes past bytes or text and returns how many bytes they were. */
  #span(what: string): number {
    const length = this.#length(this.#byte(), what)
    if (length > this.#end - this.#at)
      this.bad(`${what} announces ${length} bytes and ${this.#end - this.#at} are left`)
    this.#at += length
    return length
  }

  #length(tag: number, what: string): number {
    if (tag >> 5 === 0b101) return tag & 0x1f
    if (tag === 0xc4 || tag === 0xd9) return this.#byte()
    if (tag === 0xc5 || tag === 0xda) return this.#uint(2)
    if (tag === 0xc6 || tag === 0xdb) return this.#uint(4)
    return this.bad(`tag 0x${tag.toString(16)} instead of ${what}`)
  }

  #uint(bytes: number): number {
    let value = 0
    for (let i = 0; i < bytes; i++) value = value * 0x100 + this.#byte()
    return value
  }

  #byte(): number {
    if (this.#at >= this.#end) this.bad('it ends too early')
    return this.#bytes[this.#at++]!
  }
}
