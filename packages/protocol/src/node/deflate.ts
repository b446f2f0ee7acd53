import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Deflate, Inflate } from '../batch/compression.js'

/** Level 1: on JSON it makes a batch six times smaller where the default makes it seven times smaller and takes two to three times as long. */
const LEVEL = 1

/** Bytes that zlib asks for at a time when the result is larger: below, one allocation holds it. */
const CHUNK_BYTES_MAX = 128 * 1024
const CHUNK_BYTES_MIN = 64

/** The native {@link Deflate}: 300 MB/s of JSON, so 0.4 ms for a batch of 128 KiB. */
export const deflate: Deflate = (bytes) => deflateRawSync(bytes, { level: LEVEL })

/** The native {@link Inflate}: 1 GB/s of JSON. @throws Error  the stream is damaged, goes on after its end, or has another length */
export const inflate: Inflate = (bytes, length) => {
  const chunkSize = Math.max(CHUNK_BYTES_MIN, Math.min(length, CHUNK_BYTES_MAX))
  // The types know nothing of `info`, which is documented.
  const { buffer, engine } = inflateRawSync(bytes, { maxOutputLength: length, chunkSize, info: true }) as unknown as {
    buffer: Uint8Array
    engine: { bytesWritten: number }
  }
  if (buffer.byteLength !== length) throw new Error(`the stream holds ${buffer.byteLength} bytes instead of ${length}`)
  if (engine.bytesWritten !== bytes.byteLength)
    throw new Error(`the stream ends ${bytes.byteLength - engine.bytesWritten} bytes too early`)
  // Not a Buffer: values are views on it.
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}
