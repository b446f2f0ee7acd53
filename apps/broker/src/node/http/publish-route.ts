import { GomqError, type ProducerId } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import type { Broker } from '../../broker.js'
import type { JsonSchema } from './field.js'
import { IDEMPOTENCY_KEY, producerOfKey, publishOnce } from './idempotency-key.js'
import { PUBLISH_FIELDS, parsePublish, toBatch } from './publish-request.js'
import type { Route } from './route.js'

const UNKEYED = 0 as ProducerId
const ACCEPTED = '{"accepted":true}'

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
    problems: [403, 409, 413, 415, 422, 507],
    handle: async (request, reply) => {
      const publish = parsePublish(request.body, messageBytesMax)
      const key = request.headers['idempotency-key']
      if (key !== undefined) {
        const producer = producerOfKey(IDEMPOTENCY_KEY.parse(key, 'Idempotency-Key'))
        if (publish.qos === 0 && !publish.retain) {
          throw new GomqError(
            'INVALID_ARGUMENT',
            'QoS 0 without retain is stored nowhere, so that an idempotency key could not be recognised; use QoS 1 or leave the key out',
          )
        }
        const { baseOffset, epoch, durability } = await publishOnce(
          broker,
          toBatch(publish, producer, broker.nowMs(), crc32),
        )
        if (publish.qos > 0) return { offset: baseOffset, epoch, durability }
      } else {
        const batch = toBatch(publish, UNKEYED, broker.nowMs(), crc32)
        if (publish.qos > 0) {
          const { baseOffset, epoch, durability } = await broker.door.publish(batch)
          return { offset: baseOffset, epoch, durability }
        }
        // At most once: nobody waits for the disk, also when the message is kept as the topic's retained one.
        broker.door.publishUnacknowledged(batch)
      }
      return reply.code(202).type('application/json; charset=utf-8').send(ACCEPTED)
    },
  }
}
