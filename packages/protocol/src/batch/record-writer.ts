import { GomqError } from '../errors.js'
import { RECORD_HEADERS_MAX } from '../limits.js'
import { utf8Bytes, writeUtf8 } from '../utf8.js'
import type { Headers, RecordInput } from './record.js'

/** Bytes that tags and lengths of one record can take, beside what it carries: array, timestamp, key, value, headers. */
const FRAMING_BYTES_MAX = 1 + 9 + 5 + 5 + 3
/** The same for one header: name and value. */
const HEADER_FRAMING_BYTES_MAX = 5 + 5

/** An upper bound of the bytes that {@link writeRecord} writes; cheap, and exact enough to size a buffer. */
export function recordBytesBound(record: RecordInput): number {
  let bytes = FRAMING_BYTES_MAX + bound(record.value)
  if (record.key !== null) bytes += bound(record.key)
  if (record.headers !== null) {
    for (const name of Object.keys(record.headers))
      bytes += HEADER_FRAMING_BYTES_MAX + bound(name) + bound(record.headers[name]!)
  }
  return bytes
}

/**
 * Writes a record at `at` and returns the position after it. The shape is fixed, so it is written by hand: a general packer takes
 * three times as long. Msgpack: an array of timestamp delta, key, value and headers.
 *
 * @param target  with room for {@link recordBytesBound} bytes
 * @throws GomqError LIMIT_EXCEEDED  for more than 64 headers
 */
export function writeRecord(target: Uint8Array, at: number, record: RecordInput): number {
  target[at++] = 0x94
  at = writeInteger(target, at, record.timestampDeltaMs)
  if (record.key === null) target[at++] = 0xc0
  else at = writeBytesOrText(target, at, record.key)
  at = writeBytesOrText(target, at, record.value)
  if (record.headers === null) target[at++] = 0xc0
  else at = writeHeaders(target, at, record.headers)
  return at
}

function writeHeaders(target: Uint8Array, at: number, headers: Headers): number {
  const names = Object.keys(headers)
  if (names.length > RECORD_HEADERS_MAX) {
    throw new GomqError(
      'LIMIT_EXCEEDED',
      `the message has ${names.length} headers; at most ${RECORD_HEADERS_MAX} are allowed`,
    )
  }
  if (names.length < 16) target[at++] = 0x80 | names.length
  else {
    target[at++] = 0xde
    target[at++] = 0
    target[at++] = names.length
  }
  for (const name of names) {
    at = writeBytesOrText(target, at, name)
    at = writeBytesOrText(target, at, headers[name]!)
  }
  return at
}

function writeBytesOrText(target: Uint8Array, at: number, value: string | Uint8Array): number {
  return typeof value === 'string' ? writeText(target, at, value) : writeBin(target, at, value)
}

function writeBin(target: Uint8Array, at: number, value: Uint8Array): number {
  const length = value.byteLength
  if (length < 0x100) {
    target[at++] = 0xc4
    target[at++] = length
  } else if (length < 0x1_0000) {
    target[at++] = 0xc5
    target[at++] = length >>> 8
    target[at++] = length
  } else {
    target[at++] = 0xc6
    at = writeU32BigEndian(target, at, length)
  }
  target.set(value, at)
  return at + length
}

function writeText(target: Uint8Array, at: number, value: string): number {
  // The tag's size depends on the bytes, which the text's length bounds: exact for ASCII; otherwise the text moves to its tag.
  const guess = textTagBytes(value.length)
  const written = writeUtf8(target, at + guess, value)
  const tag = textTagBytes(written)
  if (tag !== guess) target.copyWithin(at + tag, at + guess, at + guess + written)
  if (tag === 1) target[at] = 0xa0 | written
  else if (tag === 2) {
    target[at] = 0xd9
    target[at + 1] = written
  } else if (tag === 3) {
    target[at] = 0xda
    target[at + 1] = written >>> 8
    target[at + 2] = written
  } else {
    target[at] = 0xdb
    writeU32BigEndian(target, at + 1, written)
  }
  return at + tag + written
}

function textTagBytes(length: number): number {
  return length < 32 ? 1 : length < 0x100 ? 2 : length < 0x1_0000 ? 3 : 5
}

function writeInteger(target: Uint8Array, at: number, value: number): number {
  if (value >= 0 && value < 0x80) {
    target[at++] = value
    return at
  }
  if (value >= 0 && value <= 0xffff_ffff) {
    target[at++] = 0xce
    return writeU32BigEndian(target, at, value)
  }
  target[at++] = 0xd3
  at = writeU32BigEndian(target, at, Math.floor(value / 0x1_0000_0000) >>> 0)
  return writeU32BigEndian(target, at, value >>> 0)
}

function writeU32BigEndian(target: Uint8Array, at: number, value: number): number {
  target[at++] = value >>> 24
  target[at++] = value >>> 16
  target[at++] = value >>> 8
  target[at++] = value
  return at
}

/** Text up to this length is not measured: three bytes a unit waste less than the time to look. */
const MEASURED_LENGTH = 1024

function bound(value: string | Uint8Array): number {
  if (typeof value !== 'string') return value.byteLength
  return value.length <= MEASURED_LENGTH ? value.length * 3 : utf8Bytes(value)
}
