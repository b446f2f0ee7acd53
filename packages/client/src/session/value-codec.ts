import {
  CONTENT_TYPE_HEADER,
  decodeMsgpack,
  decodeUtf8,
  encodeMsgpack,
  GomqError,
  type Headers,
  MSGPACK_CONTENT_TYPE,
} from '@gomq/protocol'

/** A value as it goes into a record. */
export interface EncodedValue {
  readonly value: string | Uint8Array
  readonly headers: Headers | null
}

const MSGPACK_HEADERS: Headers = Object.freeze({ [CONTENT_TYPE_HEADER]: MSGPACK_CONTENT_TYPE })

/**
 * A value as it goes into a record: text and bytes as they are, anything else as msgpack with a content-type header.
 * @throws GomqError INVALID_ARGUMENT  for what msgpack cannot carry (functions, symbols) and for `undefined`
 */
export function encodeValue(value: unknown, headers: Headers | null): EncodedValue {
  if (typeof value === 'string' || value instanceof Uint8Array) return { value, headers }
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    throw new GomqError(
      'INVALID_ARGUMENT',
      `a value of type ${typeof value} cannot be published; use text, bytes, null or plain data`,
    )
  }
  let packed: Uint8Array
  try {
    packed = encodeMsgpack(value)
  } catch (cause) {
    throw new GomqError('INVALID_ARGUMENT', 'the value cannot be packed as msgpack; use plain data', { cause })
  }
  if (headers === null) return { value: packed, headers: MSGPACK_HEADERS }
  return { value: packed, headers: { ...headers, [CONTENT_TYPE_HEADER]: MSGPACK_CONTENT_TYPE } }
}

/**
 * The value that {@link encodeValue} was given. Maps become objects without a prototype, so that no key means more than itself.
 * @throws GomqError BAD_RECORD  the bytes are not what the record says they are
 */
export function decodeValue(bytes: Uint8Array, isText: boolean, headers: Headers | null): unknown {
  if (isText) return decodeText(bytes)
  if (headers === null || headers[CONTENT_TYPE_HEADER] !== MSGPACK_CONTENT_TYPE) return bytes
  try {
    return toPlain(decodeMsgpack(bytes))
  } catch (cause) {
    throw new GomqError('BAD_RECORD', 'the value says it is msgpack and is not; read its bytes instead', { cause })
  }
}

/** @throws GomqError BAD_RECORD  the bytes are not UTF-8 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes)
  } catch (cause) {
    throw new GomqError('BAD_RECORD', 'the value is not valid UTF-8; read its bytes instead', { cause })
  }
}

function toPlain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toPlain)
  if (!(value instanceof Map)) return value
  const object: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [name, each] of value as Map<unknown, unknown>) object[String(name)] = toPlain(each)
  return object
}
