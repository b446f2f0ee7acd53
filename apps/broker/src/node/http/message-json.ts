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
} from '@gomq/protocol'

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
}

/** The message at `index` of a batch. One that cannot be decoded is shown as such and does not hide the others. */
export function messageJson(batch: Uint8Array, records: DeliveredRecords, index: number): MessageJson {
  const attributes = attributesOf(batch)
  const common = {
    offset: records.offsetAt(index),
    qos: attributes & Attribute.QOS_MASK,
    retain: (attributes & Attribute.RETAIN) !== 0,
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
