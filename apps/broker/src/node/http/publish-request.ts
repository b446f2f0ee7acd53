import {
  Attribute,
  BatchBuilder,
  CONTENT_TYPE_HEADER,
  type Crc32,
  GomqError,
  type Headers,
  MSGPACK_CONTENT_TYPE,
  type ProducerId,
  RECORD_HEADERS_MAX,
  RECORD_OVERHEAD_BYTES_MAX,
  utf8Bytes,
} from '@gomq/protocol'
import {
  type Field,
  isUnicode,
  oneOf,
  type Parsed,
  parseFields,
  refuse,
  text,
  topicName,
  wholeNumber,
} from './field.js'
import { packJson } from './json-value.js'

const MSGPACK_HEADERS: Headers = { [CONTENT_TYPE_HEADER]: MSGPACK_CONTENT_TYPE }

const body: Field<unknown> = {
  schema: {
    description: 'Text, or any JSON value: at most 8 levels deep, 100,000 elements, no lone surrogates.',
  },
  isRequired: true,
  parse: (value) => value,
}

const headers: Field<Headers | null> = {
  schema: {
    type: 'object',
    additionalProperties: { type: 'string' },
    maxProperties: RECORD_HEADERS_MAX,
    description: `At most ${RECORD_HEADERS_MAX} names with text. The name content-type says how a base64 body is to be read; a body that is no text gets its own.`,
  },
  parse: (value, name) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(`${name} is no JSON object`)
    const entries = Object.entries(value)
    if (entries.length > RECORD_HEADERS_MAX)
      return refuse(`${name} holds ${entries.length} names; at most ${RECORD_HEADERS_MAX} are allowed`)
    for (const [header, entry] of entries)
      if (typeof entry !== 'string' || !isUnicode(entry) || !isUnicode(header))
        return refuse(`${name} holds a value that is no text, or no valid Unicode`)
    return entries.length === 0 ? null : (value as Headers)
  },
}

/** The fields of `POST /pub`, in its JSON body. */
export const PUBLISH_FIELDS: {
  readonly topic: Field<string>
  readonly body: Field<unknown>
  readonly encoding: Field<'base64'>
  readonly qos: Field<0 | 1 | 2>
  readonly retain: Field<boolean | 0 | 1>
  readonly key: Field<string>
  readonly headers: Field<Headers | null>
  readonly ttlMs: Field<number>
} = {
  topic: topicName('A topic name.'),
  body,
  encoding: oneOf(['base64'], 'The body is base64 and its bytes are published.'),
  qos: oneOf([0, 1, 2], '0 answers at once; 1 and 2 answer when the message is safe.', 1),
  retain: oneOf([true, false, 0, 1], "Whether to keep it as the topic's retained message.", false),
  key: text(RECORD_OVERHEAD_BYTES_MAX, 'What the message is about; consumers see it.'),
  headers,
  ttlMs: wholeNumber(1, Number.MAX_SAFE_INTEGER, 'Milliseconds after which the message is no longer delivered.'),
}

/** A checked request to publish. */
export interface PublishRequest {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly ttlMs: number
  readonly key: string | null
  readonly value: string | Uint8Array
  readonly headers: Headers | null
}

/** @throws GomqError INVALID_ARGUMENT, INVALID_TOPIC or MESSAGE_TOO_LARGE */
export function parsePublish(given: unknown, messageBytesMax: number): PublishRequest {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return refuse('the body is no JSON object; send {"topic": ..., "body": ...}')
  const fields = parseFields(PUBLISH_FIELDS, given as Record<string, unknown>, 'field')
  const content = contentOf(fields)
  const bytes = typeof content.value === 'string' ? utf8Bytes(content.value) : content.value.byteLength
  if (bytes > messageBytesMax) {
    throw new GomqError(
      'MESSAGE_TOO_LARGE',
      `the message has ${bytes} bytes; the limit is ${messageBytesMax}; send less or raise --message-bytes-max`,
    )
  }
  return {
    topic: fields.topic!,
    qos: fields.qos ?? 1,
    retain: fields.retain === true || fields.retain === 1,
    ttlMs: fields.ttlMs ?? 0,
    key: fields.key ?? null,
    ...content,
  }
}

/** The request as a batch of one message. @param producer  0 for one that is not idempotent */
export function toBatch(publish: PublishRequest, producer: ProducerId, nowMs: number, crc32: Crc32): Uint8Array {
  const { topic, qos, retain, ttlMs, key, value, headers } = publish
  const builder = new BatchBuilder(topic, retain ? qos | Attribute.RETAIN : qos, ttlMs)
  builder.append({ timestampDeltaMs: 0, key, value, headers })
  return builder.finish({ baseTimestampMs: nowMs, producerId: producer, producerEpoch: 0, firstSequence: 0 }, crc32)
}

/** Text stays text, base64 becomes bytes, and any other JSON value is packed as native clients pack theirs. */
function contentOf(fields: Parsed<typeof PUBLISH_FIELDS>): Pick<PublishRequest, 'value' | 'headers'> {
  const { body: value, encoding, headers = null } = fields
  if (encoding === 'base64') {
    if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value) || value.length % 4 !== 0)
      return refuse('body is no base64 although encoding says so')
    return { value: new Uint8Array(Buffer.from(value, 'base64')), headers }
  }
  if (typeof value === 'string') {
    if (!isUnicode(value)) return refuse('body holds a lone surrogate; it is no valid Unicode')
    return { value, headers }
  }
  if (headers !== null && CONTENT_TYPE_HEADER in headers)
    return refuse('headers holds content-type and body is a JSON value, which has its own; leave it out')
  return { value: packJson(value), headers: headers === null ? MSGPACK_HEADERS : { ...headers, ...MSGPACK_HEADERS } }
}
