import { GomqError, type ProducerId } from '@gomq/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Broker } from '../../broker.js'
import type { JsonSchema } from './field.js'
import { IDEMPOTENCY_KEY, producerOfKey, publishOnce } from './idempotency-key.js'
import {
  BATCH_FIELDS,
  PUBLISH_FIELDS,
  type PublishRequest,
  parseBatch,
  parsePublish,
  toBatch,
} from './publish-request.js'
import type { Route } from './route.js'

const UNKEYED = 0 as ProducerId
const ACCEPTED = '{"accepted":true}'
const PROBLEMS = [403, 409, 413, 415, 422, 507]

const STORED_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    offset: { type: 'integer', minimum: 0, description: 'Where the message stands in the log.' },
    epoch: { type: 'integer', minimum: 0, description: 'The reign of the broker that answers.' },
    durability: { enum: ['written', 'synced', 'replicated'], description: 'How safe the message is.' },
  },
  required: ['offset', 'epoch', 'durability'],
  additionalProperties: false,
}

const ACCEPTED_SCHEMA: JsonSchema = {
  type: 'object',
  properties: { accepted: { const: true } },
  required: ['accepted'],
  additionalProperties: false,
}

const STORED_BATCH_SCHEMA: JsonSchema = {
  ...STORED_SCHEMA,
  properties: {
    ...(STORED_SCHEMA['properties'] as JsonSchema),
    offset: {
      type: 'integer',
      minimum: 0,
      description: 'Where the first message stands in the log; the others follow it.',
    },
    count: { type: 'integer', minimum: 1, description: 'Messages.' },
  },
  required: ['offset', 'count', 'epoch', 'durability'],
}

/** `POST /pub` with `{"topic": "A", "body": "hello", "qos": 1, "retain": false}` */
export function publishRoute(broker: Broker, messageBytesMax: number): Route {
  return {
    method: 'POST',
    paths: ['/pub', '/v1/publish'],
    summary: 'Publishes a message.',
    headers: { 'Idempotency-Key': IDEMPOTENCY_KEY },
    body: PUBLISH_FIELDS,
    answers: {
      200: { description: 'QoS 1 and 2: the message is safe.', schema: STORED_SCHEMA },
      202: { description: 'QoS 0: the message was taken; nobody promises more.', schema: ACCEPTED_SCHEMA },
    },
    problems: PROBLEMS,
    handle: async (request, reply) => {
      const publish = parsePublish(request.body, messageBytesMax)
      return (await store(broker, publish, request, messageBytesMax)) ?? sendAccepted(reply)
    },
  }
}

/** `POST /v1/publish/batch` with `{"topic": "A", "messages": [{"body": "one"}, {"body": "two"}]}`: all of them are published, or none. */
export function publishBatchRoute(broker: Broker, messageBytesMax: number): Route {
  return {
    method: 'POST',
    paths: ['/v1/publish/batch'],
    summary: 'Publishes many messages of one topic, all or none.',
    headers: { 'Idempotency-Key': IDEMPOTENCY_KEY },
    body: BATCH_FIELDS,
    answers: {
      200: { description: 'QoS 1 and 2: the messages are safe.', schema: STORED_BATCH_SCHEMA },
      202: { description: 'QoS 0: the messages were taken; nobody promises more.', schema: ACCEPTED_SCHEMA },
    },
    problems: PROBLEMS,
    handle: async (request, reply) => {
      const publish = parseBatch(request.body)
      const stored = await store(broker, publish, request, messageBytesMax)
      return stored === undefined ? sendAccepted(reply) : { ...stored, count: publish.messages.length }
    },
  }
}

/** Publishes it; undefined: at QoS 0, nobody waits for the disk, also when the message is kept as the topic's retained one. */
async function store(
  broker: Broker,
  publish: PublishRequest,
  request: FastifyRequest,
  messageBytesMax: number,
): Promise<{ offset: number; epoch: number; durability: string } | undefined> {
  const batchOf = (producer: ProducerId) => toBatch(publish, producer, broker.nowMs(), messageBytesMax)
  const key = request.headers['idempotency-key']
  if (key === undefined) {
    if (publish.qos > 0) return storedAt(await broker.door.publish(batchOf(UNKEYED)))
    broker.door.publishUnacknowledged(batchOf(UNKEYED))
    return undefined
  }
  const producer = producerOfKey(IDEMPOTENCY_KEY.parse(key, 'Idempotency-Key'))
  if (publish.qos === 0 && !publish.retain) {
    throw new GomqError(
      'INVALID_ARGUMENT',
      'QoS 0 without retain is stored nowhere, so that an idempotency key could not be recognised; use QoS 1 or leave the key out',
    )
  }
  const stored = storedAt(await publishOnce(broker, batchOf(producer)))
  return publish.qos > 0 ? stored : undefined
}

function storedAt({ baseOffset, epoch, durability }: Awaited<ReturnType<Broker['door']['publish']>>) {
  return { offset: baseOffset, epoch, durability }
}

function sendAccepted(reply: FastifyReply): FastifyReply {
  return reply.code(202).type('application/json; charset=utf-8').send(ACCEPTED)
}
