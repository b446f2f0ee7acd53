import { FILTERS_PER_SUBSCRIBE_MAX, GomqError, type Offset, type StartPosition } from '@gomq/protocol'
import type { Broker } from '../../broker.js'
import { EventStream, placeAfter, STREAM_CREDIT } from './event-stream.js'
import { type Field, type JsonSchema, oneOf, type Parsed, refuse, topicFilters } from './field.js'
import type { HeldBytes } from './held-bytes.js'
import { MESSAGE_SCHEMA } from './message-json.js'
import { parseQuery } from './query.js'
import type { Route } from './route.js'

/** Streams at a time. */
const STREAMS_MAX = 1000

const from: Field<StartPosition> = {
  schema: {
    type: 'string',
    pattern: '^(new|earliest|[0-9]{1,16})$',
    default: 'new',
    description: '`new`, `earliest`, or the first offset.',
  },
  parse: (value, name) => {
    if (value === 'new' || value === 'earliest') return { kind: value }
    const offset = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
    return Number.isSafeInteger(offset)
      ? { kind: 'offset', offset: offset as Offset }
      : refuse(`the query parameter ${name} is neither 'new', 'earliest' nor an offset`)
  },
}

const QUERY: {
  readonly topic: Field<string[]>
  readonly from: Field<StartPosition>
  readonly retained: Field<'0' | '1'>
} = {
  topic: topicFilters(
    FILTERS_PER_SUBSCRIBE_MAX,
    'Topic filters; `+` and `#` as in MQTT. A message that several match comes once.',
  ),
  from,
  retained: oneOf(
    ['0', '1'],
    'Whether the retained messages from below the start come first; by default with `from=new` only.',
  ),
}

const LAST_EVENT_ID: Field<unknown> = {
  schema: {
    type: 'string',
    pattern: '^[0-9]{1,15}(:retained)?$',
    description: 'The id of the last event that was seen: the stream goes on behind it, whatever `from` says.',
  },
  parse: (value) => placeAfter(String(value)),
}

/** Schema of an event's `data`. */
export const EVENT_DATA_SCHEMA: JsonSchema = {
  ...MESSAGE_SCHEMA,
  properties: { topic: { type: 'string' }, ...(MESSAGE_SCHEMA['properties'] as JsonSchema) },
  required: ['topic', ...(MESSAGE_SCHEMA['required'] as string[])],
}

/** `GET /v1/subscribe?topic=a&topic=b/%23`: messages as server-sent events. */
export function subscribeRoute(broker: Broker, held: HeldBytes): Route {
  let streams = 0
  return {
    method: 'GET',
    paths: ['/v1/subscribe'],
    summary:
      'Messages as they come, as server-sent events. An event `missed` names offsets that retention removed before they came: `{"from": 12, "to": 40}`, half-open. Ends with an event `end` that holds a problem document.',
    query: QUERY,
    headers: { 'Last-Event-ID': LAST_EVENT_ID },
    answers: {
      200: {
        description: 'Events `message`: the offset is the id, the message the data, which the schema describes.',
        contentType: 'text/event-stream',
        schema: EVENT_DATA_SCHEMA,
      },
    },
    problems: [403, 416],
    handle: async (request, reply) => {
      const query = parseQuery(request, QUERY)
      const lastEventId = request.headers['last-event-id']
      const start = typeof lastEventId === 'string' ? resumed(lastEventId) : startOf(query)
      if (streams >= STREAMS_MAX) {
        throw new GomqError(
          'LIMIT_EXCEEDED',
          `${STREAMS_MAX} event streams are open, the limit; close some, or use a native client`,
        )
      }
      await new Promise<void>((resolve, reject) => {
        streams++
        const stream = new EventStream({
          broker,
          response: reply.raw,
          held,
          withRetained: start.retained,
          onStarted: (error) => {
            if (error !== undefined) return reject(error)
            reply.hijack()
            resolve()
          },
          onOver: () => {
            streams--
          },
        })
        const { messages: creditMessages, bytes: creditBytes } = STREAM_CREDIT
        const subscription = { filters: query.topic!, ...start, creditMessages, creditBytes }
        stream.use(broker.openReadingDoor('http stream', subscription, stream))
      })
    },
  }
}

function resumed(lastEventId: string): { from: StartPosition; retained: boolean } {
  const { offset, retained } = placeAfter(lastEventId)
  return { from: { kind: 'offset', offset }, retained }
}

function startOf(query: Parsed<typeof QUERY>): { from: StartPosition; retained: boolean } {
  const { from: start = { kind: 'new' }, retained } = query
  return { from: start, retained: retained === undefined ? start.kind === 'new' : retained === '1' }
}
