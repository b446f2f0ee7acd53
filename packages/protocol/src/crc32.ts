/**
 * CRC-32 (ISO-HDLC, as in zlib) of `bytes`, going on from `seed`, the value of the bytes before them (0 at the start).
 * Injected, because the fast one is native: `@gomq/protocol/node` exports it.
 */
export type Crc32 = (bytes: Uint8Array, seed?: number) => number

const TABLE = new Uint32Array(256)
for (let n = 0; n < 256; n++) {
  let c = n
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  TABLE[n] = c >>> 0
}

/** The pure {@link Crc32}: about a ninth of the native one's speed; for simulation and for runtimes without zlib. */
export function crc32Table(bytes: Uint8Array, seed = 0): number {
  let c = ~seed
  for (let i = 0; i < bytes.byteLength; i++) c = TABLE[(c ^ bytes[i]!) & 0xff]! ^ (c >>> 8)
  return ~c >>> 0
}
