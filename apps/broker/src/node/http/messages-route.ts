import {
  DeliveredRecords,
  GomqError,
  hasHoles,
  inflatedBatchBytesOf,
  isExpired,
  nextOffsetOf,
  type Offset,
  partOfBatch,
  presentRanges,
} from '@gomq/protocol'
import { crc32, inflate } from '@gomq/protocol/node'
import type { Broker } from '../../broker.js'
import { digits, type Field, type JsonSchema, topicName } from './field.js'
import type { HeldBytes } from './held-bytes.js'
import { MESSAGE_SCHEMA, type MessageJson, messageJson } from './message-json.js'
import { parseQuery } from './query.js'
import type { Route } from './route.js'

const LIMIT_DEFAULT = 100
const LIMIT_MAX = 10_000
/** Bytes of stored batches, uncompressed, that one answer may be made of, beyond the first batch. Stops an answer from filling the memory. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024
/** Bytes asked of the log at a time. */
const READ_BYTES = 1024 * 1024

/** A page of stored messages of one topic. */
export interface MessagePage {
  readonly topic_name: string
  readonly message_list: MessageJson[]
  /** Where the next page begins; missing when this one reached the end. */
  readonly next?: number
  /** Offsets, half-open, between the asked-for beginning and the log's start: what stood there is gone. Missing: nothing was. */
  readonly missed?: { readonly from: number; readonly to: number }
}

const QUERY: {
  readonly topic: Field<string>
  readonly from: Field<number>
  readonly limit: Field<number>
} = {
  topic: topicName('A topic name, no wildcards.'),
  from: digits(0, Number.MAX_SAFE_INTEGER, 'First offset; below the log, and by default, the oldest stored message.'),
  limit: digits(1, LIMIT_MAX, 'Messages; an answer also ends after about 8 MiB.', LIMIT_DEFAULT),
}

const PAGE_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    topic_name: { type: 'string' },
    message_list: { type: 'array', items: MESSAGE_SCHEMA },
    next: { type: 'integer', description: 'More may follow: pass it as `from`. Missing: this page reached the end.' },
    missed: {
      type: 'object',
      description:
        'What stood at these offsets, half-open, is gone from the log and may have held messages of the topic: the page begins at `to` in place of `from`.',
      properties: { from: { type: 'integer' }, to: { type: 'integer' } },
      required: ['from', 'to'],
      additionalProperties: false,
    },
  },
  required: ['topic_name', 'message_list'],
  additionalProperties: false,
}

/** `GET /messages?topic=A&from=12&limit=100` */
export function messagesRoute(broker: Broker, held: HeldBytes): Route {
  return {
    method: 'GET',
    paths: ['/messages', '/v1/messages'],
    summary: 'Stored messages of one topic, oldest first. A page may hold fewer than `limit`, also none.',
    query: QUERY,
    answers: { 200: { description: 'A page of messages.', schema: PAGE_SCHEMA } },
    problems: [416],
    handle: (request): Promise<MessagePage> => {
      const { topic, from, limit = LIMIT_DEFAULT } = parseQuery(request, QUERY)
      return readPage({ broker, topic: topic!, from, limit, hold: (bytes) => held.hold(request.raw, bytes) })
    },
  }
}

interface PageRequest {
  readonly broker: Broker
  readonly topic: string
  /** Undefined: where the log begins. */
  readonly from: number | undefined
  readonly limit: number
  /** Counts what the answer is made of. @throws GomqError LIMIT_EXCEEDED */
  hold(bytes: number): void
}

async function readPage({ broker, topic, from, limit, hold }: PageRequest): Promise<MessagePage> {
  const end = broker.highWatermark
  const messages: MessageJson[] = []
  let at: number = from ?? broker.logStartOffset
  let bytes = 0
  const page = (next?: number) => {
    const isGone = from !== undefined && from < begin
    return {
      topic_name: topic,
      message_list: messages,
      ...(next !== undefined && { next }),
      ...(isGone && { missed: { from, to: begin } }),
    }
  }
  let begin = at
  do {
    const read = await readFrom(broker, topic, at)
    // What is gone belongs before the first message of a page, so that it is seen where it was.
    if (read.from > at && messages.length > 0) return page(at)
    if (read.from > at) begin = read.from
    for (const batch of read.batches) {
      bytes += inflatedBatchBytesOf(batch)
      if (!isExpired(batch, broker.nowMs()) && !broker.listing.isDead(topic, batch)) {
        const records = recordsOf(batch)
        hold(inflatedBatchBytesOf(batch))
        for (let index = 0; index < records.count; index++) {
          if (records.offsetAt(index) < begin) continue
          if (messages.length === limit) return page(records.offsetAt(index))
          messages.push(messageJson(batch, records, index))
        }
      }
      // Whether more follows is for the next request to find out: the rest of the log may be long and hold none of this topic.
      const next = nextOffsetOf(batch)
      if (bytes >= ANSWER_BYTES_MAX || messages.length === limit) return page(next < end ? next : undefined)
    }
    at = read.nextOffset
  } while (at < end)
  return page()
}

/** Batches of the topic from `at` on, or from where the log begins by now. @throws GomqError OFFSET_OUT_OF_RANGE  behind its end */
async function readFrom(
  broker: Broker,
  topic: string,
  at: number,
): Promise<{ readonly from: number; readonly batches: readonly Uint8Array[]; readonly nextOffset: number }> {
  for (let from = at; ; from = broker.logStartOffset) {
    try {
      const wants = (candidate: string) => candidate === topic
      return { ...(await broker.read({ from: from as Offset, bytesMax: READ_BYTES, wants })), from }
    } catch (error) {
      const isOvertaken = error instanceof GomqError && error.code === 'OFFSET_OUT_OF_RANGE'
      if (!isOvertaken || from >= broker.logStartOffset) throw error
    }
  }
}

/** The records of a stored batch that are there. */
function recordsOf(batch: Uint8Array): DeliveredRecords {
  if (!hasHoles(batch)) return DeliveredRecords.ofBatch(batch, crc32, { inflate })
  const { header, ranges, payload } = partOfBatch(batch, presentRanges(batch))
  return DeliveredRecords.ofPart(header, ranges, payload)
}
