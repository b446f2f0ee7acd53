import { createHash } from 'node:crypto'
import {
  Attribute,
  attributesOf,
  baseOffsetOf,
  GomqError,
  HEADER_BYTES,
  hasHoles,
  isHole,
  type Offset,
  type ProducerId,
  producerId,
  recordCountOf,
  ttlMsOf,
  withHoles,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import type { Broker } from '../../broker.js'
import { type Field, refuse } from './field.js'

/** Bits that can be compared: QoS, retain, expiring. */
const COMPARED = Attribute.QOS_MASK | Attribute.RETAIN | Attribute.EXPIRING

/** The header `Idempotency-Key`. */
export const IDEMPOTENCY_KEY: Field<string> = {
  schema: {
    type: 'string',
    minLength: 1,
    maxLength: 255,
    pattern: '^[ -~]+$',
    description:
      'Stores the message once however often the request is sent, for 7 days after the first time; for an hour at least when there are very many keys. Not for QoS 0 without retain.',
  },
  parse: (value) =>
    typeof value === 'string' && /^[ -~]{1,255}$/.test(value)
      ? value
      : refuse('the header Idempotency-Key must have 1 to 255 printable ASCII characters'),
}

/** The producer that stands for a key: the first 53 bits of its SHA-256, never 0. Its one message has sequence 0. */
export function producerOfKey(key: string): ProducerId {
  const digest = createHash('sha256').update(key).digest()
  return producerId(Number(digest.readBigUInt64BE() >> 11n) || 1)
}

/**
 * Publishes the batch of a key's producer and answers with its offset: where it is stored now, or was stored the first time. `offset` is -1
 * if that is not known any more.
 *
 * @throws GomqError IDEMPOTENCY_KEY_REUSED  another message is stored under the key
 * @throws GomqError LIMIT_EXCEEDED          too many keys
 */
export async function publishOnce(broker: Broker, batch: Uint8Array): ReturnType<Broker['door']['publish']> {
  // The log owns the batch once it is published.
  const ack = await broker.door.publish(batch).catch((error: unknown) => {
    // Its producer has one batch only: this one begins as that did, and goes on behind its end.
    if (error instanceof GomqError && error.code === 'OUT_OF_SEQUENCE') throw reused('fewer were published with it')
    throw error
  })
  const { baseOffset } = ack
  if (baseOffset < 0) throw reused('a producer of the native protocol has the same number')
  // What retention has removed is compared with nothing.
  const stored = await storedAt(broker, baseOffset as Offset)
  if (stored !== undefined && !isSame(stored, batch))
    throw reused(`the message at offset ${baseOffset} was published with it`)
  return ack
}

/** What is left of the batch at an offset; undefined if nothing is, even if it goes while it is looked for. */
async function storedAt(broker: Broker, baseOffset: Offset): Promise<Uint8Array | undefined> {
  if (baseOffset < broker.logStartOffset) return undefined
  const { batches } = await broker.read({ from: baseOffset, bytesMax: 1 }).catch((error: unknown) => {
    if (error instanceof GomqError && error.code === 'OFFSET_OUT_OF_RANGE') return { batches: [] }
    throw error
  })
  return batches.find((each) => baseOffsetOf(each) === baseOffset)
}

/** Whether two batches agree in topic, options and what is left of the content; when they were made does not count. */
function isSame(stored: Uint8Array, asked: Uint8Array): boolean {
  if (
    (attributesOf(stored) & COMPARED) !== (attributesOf(asked) & COMPARED) ||
    ttlMsOf(stored) !== ttlMsOf(asked) ||
    recordCountOf(stored) !== recordCountOf(asked)
  )
    return false
  const left = hasHoles(stored) ? withHoles(asked, (index) => !isHole(stored, index), crc32) : asked
  return Buffer.compare(stored.subarray(HEADER_BYTES), left.subarray(HEADER_BYTES)) === 0
}

function reused(why: string): GomqError {
  return new GomqError(
    'IDEMPOTENCY_KEY_REUSED',
    `the idempotency key belongs to another message: ${why}; choose a new key for each message`,
  )
}
