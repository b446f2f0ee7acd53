import {
  Attribute,
  attributesOf,
  CONTENT_TYPE_HEADER,
  type DecodedRecord,
  type DeliveredRecords,
  decodeMsgpack,
  decodeUtf8,
  GomqError,
  type Headers,
  MSGPACK_CONTENT_TYPE,
  ttlMsOf,
} from '@gomq/protocol'
import type { JsonSchema } from './field.js'

/** A stored message as HTTP shows it. */
export interface MessageJson {
  readonly offset: number
  /** The producer's time, in milliseconds since 1970. */
  readonly timestamp: number
  /** Text, a JSON value, or base64, as `encoding` says. Null if the record cannot be decoded. */
  readonly value: unknown
  readonly encoding: 'text' | 'json' | 'base64' | 'bad'
  readonly key?: string
  /** Values that are not text are in base64. */
  readonly headers?: Readonly<Record<string, string>>
  readonly qos: number
  readonly retain: boolean
  /** Milliseconds after the append at which it is no longer shown; missing: never. */
  readonly ttlMs?: number
}

/** Schema of {@link MessageJson}. */
export const MESSAGE_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    offset: {
      type: 'integer',
      minimum: -1,
      description: 'Where it stands in the log; -1 for QoS 0 without retain, which is stored nowhere.',
    },
    qos: { enum: [0, 1, 2] },
    retain: { type: 'boolean' },
    ttlMs: { type: 'integer', minimum: 1, description: 'After so many ms it is no longer shown; missing: never.' },
    timestamp: { type: 'integer', description: "The producer's time, ms since 1970." },
    value: { description: 'As `encoding` says; null if the record cannot be decoded.' },
    encoding: { enum: ['text', 'json', 'base64', 'bad'] },
    key: { type: 'string', description: 'Text, or bytes in base64; missing: none.' },
    headers: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Text, or bytes in base64; missing: none.',
    },
  },
  required: ['offset', 'qos', 'retain', 'timestamp', 'value', 'encoding'],
  additionalProperties: false,
}

/**
 * The message at `index` of a batch. One that cannot be decoded is shown as such and does not hide the others.
 * @param batch  the batch, or its header
 */
export function messageJson(batch: Uint8Array, records: DeliveredRecords, index: number): MessageJson {
  const attributes = attributesOf(batch)
  const ttlMs = ttlMsOf(batch)
  const common = {
    offset: records.offsetAt(index),
    qos: attributes & Attribute.QOS_MASK,
    retain: (attributes & Attribute.RETAIN) !== 0,
    ...(ttlMs === 0 ? {} : { ttlMs }),
  }
  try {
    const record = records.record(index)
    return {
      ...common,
      timestamp: records.baseTimestampMs + record.timestampDeltaMs,
      ...valueJson(record),
      ...(record.key === null ? {} : { key: textOrBase64(record.key) }),
      ...(record.headers === null ? {} : { headers: headersJson(record.headers) }),
    }
  } catch (error) {
    if (!(error instanceof GomqError) || error.code !== 'BAD_RECORD') throw error
    return { ...common, timestamp: records.baseTimestampMs, value: null, encoding: 'bad' }
  }
}

function valueJson(record: DecodedRecord): Pick<MessageJson, 'value' | 'encoding'> {
  if (record.headers?.[CONTENT_TYPE_HEADER] === MSGPACK_CONTENT_TYPE) {
    try {
      return { value: plain(decodeMsgpack(record.value)), encoding: 'json' }
    } catch {
      return { value: base64(record.value), encoding: 'base64' }
    }
  }
  try {
    return { value: decodeUtf8(record.value), encoding: 'text' }
  } catch {
    return { value: base64(record.value), encoding: 'base64' }
  }
}

/** A decoded msgpack value in the types of JSON. @throws TypeError  for what JSON has no type for */
function plain(value: unknown): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map) {
    const object: Record<string, unknown> = Object.create(null)
    for (const [key, entry] of value) object[String(key)] = plain(entry)
    return object
  }
  throw new TypeError('not a value of JSON')
}

function headersJson(headers: Headers): Record<string, string> {
  const json: Record<string, string> = Object.create(null)
  for (const name of Object.keys(headers)) json[name] = textOrBase64(headers[name]!)
  return json
}

function textOrBase64(value: string | Uint8Array): string {
  return typeof value === 'string' ? value : base64(value)
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
