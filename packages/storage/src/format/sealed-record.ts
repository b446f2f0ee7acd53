import { type Crc32, concatBytes, decodeMsgpack, encodeMsgpack, GomqError, readU32, writeU32 } from '@gomq/protocol'

/**
 * A small file: `u32 magic | u32 version | u32 crc of the rest | u32 length | msgpack`. For checkpoint, meta and the heads of others.
 */
export const SEALED_HEAD_BYTES = 16

export function encodeSealed(magic: number, version: number, value: unknown, crc32: Crc32): Uint8Array {
  const body = encodeMsgpack(value)
  const head = new Uint8Array(SEALED_HEAD_BYTES)
  writeU32(head, 0, magic)
  writeU32(head, 4, version)
  writeU32(head, 8, crc32(body))
  writeU32(head, 12, body.byteLength)
  return concatBytes([head, body])
}

/** The value and the bytes it took; undefined if the bytes are damaged. @throws GomqError UNSUPPORTED_FORMAT for another version */
export function decodeSealed(
  bytes: Uint8Array,
  magic: number,
  version: number,
  what: string,
  crc32: Crc32,
): { value: unknown; bytes: number } | undefined {
  if (bytes.byteLength < SEALED_HEAD_BYTES || readU32(bytes, 0) !== magic) return undefined
  const length = readU32(bytes, 12)
  if (length > bytes.byteLength - SEALED_HEAD_BYTES) return undefined
  const body = bytes.subarray(SEALED_HEAD_BYTES, SEALED_HEAD_BYTES + length)
  if (crc32(body) !== readU32(bytes, 8)) return undefined
  if (readU32(bytes, 4) !== version) {
    throw new GomqError(
      'UNSUPPORTED_FORMAT',
      `${what} has format version ${readU32(bytes, 4)} and this program reads version ${version}; use the program that wrote it`,
    )
  }
  return { value: decodeMsgpack(body), bytes: SEALED_HEAD_BYTES + length }
}
