/**
 * Headers of a message: names to text or bytes. Objects that come out of GoMQ have no prototype, so that no name
 * (`__proto__`, `constructor`) means more than itself.
 */
export type Headers = { readonly [name: string]: string | Uint8Array }

/** One record of a batch, decoded. */
export interface DecodedRecord {
  /** Milliseconds to add to the batch's base timestamp; may be negative. */
  readonly timestampDeltaMs: number
  readonly key: string | Uint8Array | null
  /** The value's bytes, by reference. */
  readonly value: Uint8Array
  /** Whether the producer sent the value as text; the bytes are UTF-8 then, or the record is bad. */
  readonly isText: boolean
  readonly headers: Headers | null
}

/** What a producer puts into a record. */
export interface RecordInput {
  readonly timestampDeltaMs: number
  readonly key: string | Uint8Array | null
  /** Text is stored as msgpack `str`, bytes as `bin`. */
  readonly value: string | Uint8Array
  readonly headers: Headers | null
}

/** Bytes of the smallest record: an array of four with an empty value. */
export const RECORD_BYTES_MIN = 5

/** The header that says how to read a value that is neither text nor plain bytes. */
export const CONTENT_TYPE_HEADER = 'content-type'

/** Content type of values that were packed with msgpack. */
export const MSGPACK_CONTENT_TYPE = 'application/msgpack'
