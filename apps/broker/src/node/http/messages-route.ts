import { DeliveredRecords, GomqError, nextOffsetOf, type Offset, validateTopicName } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import type { FastifyInstance } from 'fastify'
import type { Broker } from '../../broker.js'
import type { HeldBytes } from './held-bytes.js'
import { type MessageJson, messageJson } from './message-json.js'

const LIMIT_DEFAULT = 100
const LIMIT_MAX = 10_000
/** Bytes of stored batches that one answer may be made of, beyond the first batch. Stops an answer from filling the memory. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024
/** Bytes asked of the log at a time. */
const READ_BYTES = 1024 * 1024

/** A page of stored messages of one topic. */
export interface MessagePage {
  readonly topic_name: string
  readonly message_list: MessageJson[]
  /** Where the next page begins; missing when this one reached the end. */
  readonly next?: number
}

/** `GET /messages?topic=A&from=12&limit=100` */
export function messagesRoute(server: FastifyInstance, broker: Broker, held: HeldBytes): void {
  server.get('/messages', async (request): Promise<MessagePage> => {
    requireDecodable(request.url)
    const query = request.query as Record<string, unknown>
    for (const name of Object.keys(query)) {
      if (name !== 'topic' && name !== 'from' && name !== 'limit') {
        throw new GomqError('INVALID_ARGUMENT', 'a query parameter is unknown; allowed are topic, from and limit')
      }
    }
    const { topic } = query
    if (typeof topic !== 'string')
      throw new GomqError('INVALID_ARGUMENT', 'the query parameter topic is missing; name one topic')
    validateTopicName(topic)
    const from = integerParameter(query, 'from', 0, Number.MAX_SAFE_INTEGER) ?? broker.logStartOffset
    const limit = integerParameter(query, 'limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT
    return readPage({ broker, topic, from, limit, hold: (bytes) => held.hold(request.raw, bytes) })
  })
}

interface PageRequest {
  readonly broker: Broker
  readonly topic: string
  readonly from: number
  readonly limit: number
  /** Counts what the answer is made of. @throws GomqError LIMIT_EXCEEDED */
  hold(bytes: number): void
}

async function readPage({ broker, topic, from, limit, hold }: PageRequest): Promise<MessagePage> {
  const end = broker.highWatermark
  const messages: MessageJson[] = []
  let at = from
  let bytes = 0
  do {
    const { batches, nextOffset } = await broker.read({
      from: at as Offset,
      bytesMax: READ_BYTES,
      wants: (candidate) => candidate === topic,
    })
    for (const batch of batches) {
      const records = DeliveredRecords.ofBatch(batch, crc32)
      bytes += batch.byteLength
      hold(batch.byteLength)
      for (let index = 0; index < records.count; index++) {
        if (records.offsetAt(index) < from) continue
        if (messages.length === limit) return page(topic, messages, records.offsetAt(index))
        messages.push(messageJson(batch, records, index))
      }
      // Whether more follows is for the next request to find out: the rest of the log may be long and hold none of this topic.
      if (bytes >= ANSWER_BYTES_MAX || messages.length === limit) return page(topic, messages, nextOffsetOf(batch), end)
    }
    at = nextOffset
  } while (at < end)
  return page(topic, messages)
}

function page(topic: string, messages: MessageJson[], next?: number, end = Number.POSITIVE_INFINITY): MessagePage {
  return { topic_name: topic, message_list: messages, ...(next === undefined || next >= end ? {} : { next }) }
}

/** The parser of queries takes a broken escape for text. @throws GomqError INVALID_ARGUMENT */
function requireDecodable(url: string): void {
  try {
    decodeURIComponent(url)
  } catch (cause) {
    throw new GomqError('INVALID_ARGUMENT', 'the query is not valid percent-encoded UTF-8', { cause })
  }
}

function integerParameter(query: Record<string, unknown>, name: string, min: number, max: number): number | undefined {
  const text = query[name]
  if (text === undefined) return undefined
  const value = typeof text === 'string' && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new GomqError('INVALID_ARGUMENT', `the query parameter ${name} is no integer from ${min} to ${max}`)
}
