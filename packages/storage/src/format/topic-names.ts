import { concatBytes, decodeMsgpack, encodeMsgpack, readU32, writeU32 } from '@gomq/protocol'

/** Names in pieces, since one msgpack value has a bounded number of elements. */
const NAMES_PER_PIECE = 50_000

/** A list of names of any length: pieces of `u32 length`, msgpack array of at most 50,000 strings. */
export function encodeTopicNames(names: readonly string[]): Uint8Array {
  const pieces: Uint8Array[] = []
  for (let i = 0; i < names.length; i += NAMES_PER_PIECE) {
    const piece = encodeMsgpack(names.slice(i, i + NAMES_PER_PIECE)).slice()
    const length = new Uint8Array(4)
    writeU32(length, 0, piece.byteLength)
    pieces.push(length, piece)
  }
  return concatBytes(pieces)
}

/** The names in `bytes`, whose checksum holds. */
export function decodeTopicNames(bytes: Uint8Array): string[] {
  const names: string[] = []
  for (let at = 0; at < bytes.byteLength; ) {
    const length = readU32(bytes, at)
    for (const name of decodeMsgpack(bytes.subarray(at + 4, at + 4 + length)) as string[]) names.push(name)
    at += 4 + length
  }
  return names
}
