import {
  Attribute,
  BatchBuilder,
  CONTENT_TYPE_HEADER,
  GomqError,
  MSGPACK_CONTENT_TYPE,
  type ProducerId,
  type RecordInput,
  utf8Bytes,
  validateTopicName,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import type { FastifyInstance } from 'fastify'
import type { Broker } from '../../broker.js'
import { packJson } from './json-value.js'

const FIELDS = new Set(['topic', 'body', 'qos', 'retain', 'encoding'])
const MSGPACK_HEADERS: RecordInput['headers'] = { [CONTENT_TYPE_HEADER]: MSGPACK_CONTENT_TYPE }
const UNKEYED = { producerId: 0 as ProducerId, producerEpoch: 0, firstSequence: 0 }

interface PublishRequest {
  readonly topic: string
  readonly value: string | Uint8Array
  readonly isMsgpack: boolean
  readonly qos: 0 | 1
  readonly retain: boolean
}

/** `POST /pub` with `{"topic": "A", "body": "hello", "qos": 1, "retain": false}` */
export function publishRoute(server: FastifyInstance, broker: Broker, messageBytesMax: number): void {
  server.post('/pub', async (request, reply) => {
    const publish = parsePublish(request.body, messageBytesMax)
    const batch = toBatch(publish, broker.nowMs())
    if (publish.qos === 0) {
      // At most once: nobody waits for the disk, also when the message is kept as the topic's retained one.
      broker.door.publishUnacknowledged(batch)
      return reply.code(202).send({ accepted: true })
    }
    const { baseOffset, epoch, durability } = await broker.door.publish(batch)
    return { offset: baseOffset, epoch, durability }
  })
}

/** @throws GomqError INVALID_ARGUMENT, INVALID_TOPIC, MESSAGE_TOO_LARGE or UNSUPPORTED_FEATURE */
function parsePublish(body: unknown, messageBytesMax: number): PublishRequest {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return refuse('the body is no JSON object; send {"topic": ..., "body": ...}')
  }
  for (const name of Object.keys(body)) {
    if (!FIELDS.has(name)) return refuse('a field is unknown; allowed are topic, body, qos, retain and encoding')
  }
  const { topic, body: value, qos = 1, retain = false, encoding } = body as Record<string, unknown>
  if (typeof topic !== 'string') return refuse('topic is missing or no text')
  validateTopicName(topic)
  if (qos === 2) {
    throw new GomqError('UNSUPPORTED_FEATURE', 'QoS 2 is not available over HTTP; use 0 or 1, or a native client')
  }
  if (qos !== 0 && qos !== 1) return refuse('qos is neither 0 nor 1')
  if (retain !== true && retain !== false && retain !== 0 && retain !== 1)
    return refuse('retain is neither true nor false')
  if (value === undefined) return refuse('body is missing; it holds the message')
  const content = parseContent(value, encoding)
  const bytes = typeof content.value === 'string' ? utf8Bytes(content.value) : content.value.byteLength
  if (bytes > messageBytesMax) {
    throw new GomqError(
      'MESSAGE_TOO_LARGE',
      `the message has ${bytes} bytes; the limit is ${messageBytesMax}; send less or raise --message-bytes-max`,
    )
  }
  return { topic, qos, retain: retain === true || retain === 1, ...content }
}

/** Text stays text, base64 becomes bytes, and any other JSON value is packed as native clients pack theirs. */
function parseContent(value: unknown, encoding: unknown): Pick<PublishRequest, 'value' | 'isMsgpack'> {
  if (encoding === 'base64') {
    if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value) || value.length % 4 !== 0) {
      return refuse('body is no base64 although encoding says so')
    }
    return { value: new Uint8Array(Buffer.from(value, 'base64')), isMsgpack: false }
  }
  if (encoding !== undefined) return refuse("encoding is not 'base64'; leave it out for text and JSON values")
  if (typeof value === 'string') {
    if (/\p{Surrogate}/u.test(value)) return refuse('body holds a lone surrogate; it is no valid Unicode')
    return { value, isMsgpack: false }
  }
  return { value: packJson(value), isMsgpack: true }
}

function toBatch(publish: PublishRequest, nowMs: number): Uint8Array {
  const builder = new BatchBuilder(publish.topic, publish.qos | (publish.retain ? Attribute.RETAIN : 0))
  builder.append({
    timestampDeltaMs: 0,
    key: null,
    value: publish.value,
    headers: publish.isMsgpack ? MSGPACK_HEADERS : null,
  })
  return builder.finish({ baseTimestampMs: nowMs, ...UNKEYED }, crc32)
}

function refuse(message: string): never {
  throw new GomqError('INVALID_ARGUMENT', message)
}
