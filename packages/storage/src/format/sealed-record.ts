import { type Crc32, concatBytes, decodeMsgpack, encodeMsgpack, GomqError, readU32, writeU32 } from '@gomq/protocol'

/**
 * A sealed record is one msgpack value with its length and checksum: the whole checkpoint, and the head and the end of other files.
 *
 *      0 u32 magic      4 u32 crc, over [8, 16 + length)
 *      8 u32 version   12 u32 length
 *     16 msgpack
 *
 * The checksum covers version and length, so that a flipped bit in either is damage and not a file from the future.
 */
export const SEALED_HEAD_BYTES = 16

/** A sealed record whose checksum holds. */
export interface SealedRecord {
  readonly version: number
  /** Bytes of head and body. */
  readonly bytes: number
  /** The msgpack body, not decoded: only a reader who knows the version knows what it means. */
  readonly body: Uint8Array
}

/** The bytes of a sealed record with `value` as its body. */
export function encodeSealed(magic: number, version: number, value: unknown, crc32: Crc32): Uint8Array {
  const body = encodeMsgpack(value)
  const head = new Uint8Array(SEALED_HEAD_BYTES)
  writeU32(head, 0, magic)
  writeU32(head, 8, version)
  writeU32(head, 12, body.byteLength)
  const record = concatBytes([head, body])
  writeU32(record, 4, crc32(record.subarray(8)))
  return record
}

/** The sealed record with which `bytes` begin, of any version; undefined if there is no intact one. */
export function readSealed(bytes: Uint8Array, magic: number, crc32: Crc32): SealedRecord | undefined {
  if (bytes.byteLength < SEALED_HEAD_BYTES || readU32(bytes, 0) !== magic) return undefined
  const end = SEALED_HEAD_BYTES + readU32(bytes, 12)
  if (end > bytes.byteLength || crc32(bytes.subarray(8, end)) !== readU32(bytes, 4)) return undefined
  return { version: readU32(bytes, 8), bytes: end, body: bytes.subarray(SEALED_HEAD_BYTES, end) }
}

/**
 * The value in a sealed record of the one version that the caller reads.
 * @param what  the file in words, for the message
 * @throws GomqError UNSUPPORTED_FORMAT  it has another version
 */
export function valueOfVersion(record: SealedRecord, version: number, what: string): unknown {
  if (record.version !== version) {
    throw new GomqError(
      'UNSUPPORTED_FORMAT',
      `${what} has format version ${record.version} and this program reads version ${version}; use the program that wrote it`,
    )
  }
  return decodeMsgpack(record.body)
}
