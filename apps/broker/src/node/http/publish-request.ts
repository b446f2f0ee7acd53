import {
  Attribute,
  BATCH_RECORDS_MAX,
  BatchBuilder,
  CONTENT_TYPE_HEADER,
  GomqError,
  type Headers,
  MSGPACK_CONTENT_TYPE,
  type ProducerId,
  RECORD_HEADERS_MAX,
  RECORD_OVERHEAD_BYTES_MAX,
  utf8Bytes,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import {
  bodySchema,
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

const MESSAGE_FIELDS: {
  readonly body: Field<unknown>
  readonly encoding: Field<'base64'>
  readonly key: Field<string>
  readonly headers: Field<Headers | null>
} = {
  body,
  encoding: oneOf(['base64'], 'The body is base64 and its bytes are published.'),
  key: text(RECORD_OVERHEAD_BYTES_MAX, 'What the message is about; consumers see it.'),
  headers,
}

const TOPIC_FIELDS: {
  readonly topic: Field<string>
  readonly qos: Field<0 | 1 | 2>
  readonly ttlMs: Field<number>
} = {
  topic: topicName('A topic name.'),
  qos: oneOf([0, 1, 2], '0 answers at once; 1 and 2 answer when what was published is safe.', 1),
  ttlMs: wholeNumber(1, Number.MAX_SAFE_INTEGER, 'Milliseconds after which it is no longer delivered.'),
}

/** The fields of `POST /pub`, in its JSON body. */
export const PUBLISH_FIELDS: typeof MESSAGE_FIELDS & typeof TOPIC_FIELDS & { readonly retain: Field<boolean | 0 | 1> } =
  {
    ...TOPIC_FIELDS,
    ...MESSAGE_FIELDS,
    retain: oneOf([true, false, 0, 1], "Whether to keep it as the topic's retained message.", false),
  }

const messages: Field<readonly Content[]> = {
  schema: {
    type: 'array',
    minItems: 1,
    maxItems: BATCH_RECORDS_MAX,
    items: bodySchema(MESSAGE_FIELDS),
    description: `1 to ${BATCH_RECORDS_MAX} messages. Together they may have as many bytes as one message may.`,
  },
  isRequired: true,
  parse: (value, name) => {
    if (!Array.isArray(value) || value.length === 0 || value.length > BATCH_RECORDS_MAX)
      return refuse(`${name} is no list of 1 to ${BATCH_RECORDS_MAX} messages`)
    return value.map((message, i) => {
      if (typeof message !== 'object' || message === null || Array.isArray(message))
        return refuse(`message ${i} is no JSON object; send {"body": ...}`)
      try {
        return contentOf(parseFields(MESSAGE_FIELDS, message as Record<string, unknown>, 'field'))
      } catch (error) {
        const { code, message: reason } = GomqError.from(error)
        throw new GomqError(code, `message ${i}: ${reason}`)
      }
    })
  },
}

/** The fields of `POST /v1/publish/batch`, in its JSON body. */
export const BATCH_FIELDS: typeof TOPIC_FIELDS & { readonly messages: Field<readonly Content[]> } = {
  ...TOPIC_FIELDS,
  messages,
}

/** A message without what it has in common with the others of its batch. */
interface Content {
  readonly key: string | null
  readonly value: string | Uint8Array
  readonly headers: Headers | null
}

/** A checked request to publish one message or many, of one topic and with the same options. */
export interface PublishRequest {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly ttlMs: number
  readonly messages: readonly Content[]
}

/** @throws GomqError INVALID_ARGUMENT, INVALID_TOPIC or MESSAGE_TOO_LARGE */
export function parsePublish(given: unknown, messageBytesMax: number): PublishRequest {
  const fields = parseFields(PUBLISH_FIELDS, objectOf(given, '{"topic": ..., "body": ...}'), 'field')
  const content = contentOf(fields)
  const bytes = typeof content.value === 'string' ? utf8Bytes(content.value) : content.value.byteLength
  if (bytes > messageBytesMax) {
    throw new GomqError(
      'MESSAGE_TOO_LARGE',
      `the message has ${bytes} bytes; the limit is ${messageBytesMax}; send less or raise --message-bytes-max`,
    )
  }
  const retain = fields.retain === true || fields.retain === 1
  return { topic: fields.topic!, qos: fields.qos ?? 1, retain, ttlMs: fields.ttlMs ?? 0, messages: [content] }
}

/** As {@link parsePublish}, for many messages; what they have together is bounded when they are a batch. */
export function parseBatch(given: unknown): PublishRequest {
  const {
    topic,
    qos = 1,
    ttlMs = 0,
    messages,
  } = parseFields(BATCH_FIELDS, objectOf(given, '{"topic": ..., "messages": [{"body": ...}]}'), 'field')
  return { topic: topic!, qos, retain: false, ttlMs, messages: messages! }
}

/**
 * The request as one batch.
 * @param producer  0 for one that is not idempotent
 * @throws GomqError MESSAGE_TOO_LARGE  many messages have more than `messageBytesMax` bytes together
 */
export function toBatch(
  { topic, qos, retain, ttlMs, messages }: PublishRequest,
  producer: ProducerId,
  nowMs: number,
  messageBytesMax: number,
): Uint8Array {
  const builder = new BatchBuilder(topic, retain ? qos | Attribute.RETAIN : qos, ttlMs)
  for (const content of messages) builder.append({ timestampDeltaMs: 0, ...content })
  if (messages.length > 1 && builder.byteLength > messageBytesMax) {
    throw new GomqError(
      'MESSAGE_TOO_LARGE',
      `the messages have ${builder.byteLength} bytes together; the limit is ${messageBytesMax}; send them in several requests or raise --message-bytes-max`,
    )
  }
  return builder.finish({ baseTimestampMs: nowMs, producerId: producer, producerEpoch: 0, firstSequence: 0 }, crc32)
}

function objectOf(given: unknown, example: string): Record<string, unknown> {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return refuse(`the body is no JSON object; send ${example}`)
  return given as Record<string, unknown>
}

/** Text stays text, base64 becomes bytes, and any other JSON value is packed as native clients pack theirs. */
function contentOf(fields: Parsed<typeof MESSAGE_FIELDS>): Content {
  const { body: value, encoding, key = null, headers = null } = fields
  if (encoding === 'base64') {
    if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value) || value.length % 4 !== 0)
      return refuse('body is no base64 although encoding says so')
    return { key, value: new Uint8Array(Buffer.from(value, 'base64')), headers }
  }
  if (typeof value === 'string') {
    if (!isUnicode(value)) return refuse('body holds a lone surrogate; it is no valid Unicode')
    return { key, value, headers }
  }
  if (headers !== null && CONTENT_TYPE_HEADER in headers)
    return refuse('headers holds content-type and body is a JSON value, which has its own; leave it out')
  const typed = headers === null ? MSGPACK_HEADERS : { ...headers, ...MSGPACK_HEADERS }
  return { key, value: packJson(value), headers: typed }
}
