import type { Broker } from '../../broker.js'
import type { JsonSchema } from './field.js'
import type { HeldBytes } from './held-bytes.js'
import {
  byCodeUnit,
  LISTING_LIMIT_DEFAULT,
  LISTING_QUERY,
  type ListingPage,
  listingSchema,
  pageOf,
  smallestAbove,
} from './listing-page.js'
import { parseQuery } from './query.js'
import type { Route } from './route.js'
import { decodePlace, encodePlace } from './subscription-place.js'

/** A topic as HTTP shows it. */
interface TopicJson {
  readonly topic: string
  /** Offset of the retained message; null: there is none. */
  readonly retainedOffset: number | null
}

/** A session as HTTP shows it. */
interface SessionJson {
  readonly clientId: string
  readonly connected: boolean
  readonly expirySec: number
  readonly closedAt: number | null
  readonly subscriptions: number
  readonly hasWill: boolean
}

/** A durable subscription as HTTP shows it. */
interface SubscriptionJson {
  readonly clientId: string
  readonly name: string
  readonly filters: readonly string[]
  readonly qos: number
  readonly position: number
  readonly unacked: number
  readonly lag: number
  readonly attached: boolean
}

const count = (description: string): JsonSchema => ({ type: 'integer', minimum: 0, description })

const TOPIC_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    topic: { type: 'string' },
    retainedOffset: { type: ['integer', 'null'], description: 'Offset of the retained message; null: there is none.' },
  },
  required: ['topic', 'retainedOffset'],
  additionalProperties: false,
}

const SESSION_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    clientId: { type: 'string' },
    connected: { type: 'boolean' },
    expirySec: count('Seconds that the session outlives its connection.'),
    closedAt: {
      type: ['integer', 'null'],
      description: 'When the last connection ended, ms since 1970; null while connected.',
    },
    subscriptions: count('Durable subscriptions.'),
    hasWill: { type: 'boolean', description: 'Whether a message is published if the client is lost.' },
  },
  required: ['clientId', 'connected', 'expirySec', 'closedAt', 'subscriptions', 'hasWill'],
  additionalProperties: false,
}

const SUBSCRIPTION_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    clientId: { type: 'string' },
    name: { type: 'string' },
    filters: { type: 'array', items: { type: 'string' } },
    qos: { enum: [0, 1, 2] },
    position: count('Offset from which on nothing was looked at yet.'),
    unacked: count('Messages below the position that are not acknowledged.'),
    lag: count('Offsets from the position to the end of what is committed, of all topics.'),
    attached: { type: 'boolean', description: 'Whether a connection has it.' },
  },
  required: ['clientId', 'name', 'filters', 'qos', 'position', 'unacked', 'lag', 'attached'],
  additionalProperties: false,
}

/** `GET /v1/topics`, `/v1/sessions` and `/v1/subscriptions`, page by page. */
export function listingRoutes(broker: Broker, held: HeldBytes): Route[] {
  return [
    {
      method: 'GET',
      paths: ['/v1/topics'],
      summary: 'Topics that have a retained message or stand in an index in memory, by name.',
      query: LISTING_QUERY,
      answers: { 200: { description: 'A page of topics.', schema: listingSchema(TOPIC_SCHEMA) } },
      handle: (request) => {
        const { after, limit = LISTING_LIMIT_DEFAULT } = parseQuery(request, LISTING_QUERY)
        return topicsPage({ broker, after, limit, hold: (bytes) => held.hold(request.raw, bytes) })
      },
    },
    {
      method: 'GET',
      paths: ['/v1/sessions'],
      summary: 'What is kept for client ids, by client id.',
      query: LISTING_QUERY,
      answers: { 200: { description: 'A page of sessions.', schema: listingSchema(SESSION_SCHEMA) } },
      handle: (request) => {
        const { after, limit = LISTING_LIMIT_DEFAULT } = parseQuery(request, LISTING_QUERY)
        return sessionsPage({ broker, after, limit, hold: (bytes) => held.hold(request.raw, bytes) })
      },
    },
    {
      method: 'GET',
      paths: ['/v1/subscriptions'],
      summary: 'Durable subscriptions, by client id and name.',
      query: LISTING_QUERY,
      answers: { 200: { description: 'A page of subscriptions.', schema: listingSchema(SUBSCRIPTION_SCHEMA) } },
      handle: (request) => {
        const { after, limit = LISTING_LIMIT_DEFAULT } = parseQuery(request, LISTING_QUERY)
        return subscriptionsPage({ broker, after, limit, hold: (bytes) => held.hold(request.raw, bytes) })
      },
    },
  ]
}

interface ListingRequest {
  readonly broker: Broker
  readonly after: string | undefined
  readonly limit: number
  /** Counts what the answer is made of. @throws GomqError LIMIT_EXCEEDED */
  hold(bytes: number): void
}

async function topicsPage({ broker, after, limit, hold }: ListingRequest): Promise<ListingPage<TopicJson>> {
  const { listing } = broker
  const topics = await smallestAbove(topicNames(broker), after, limit + 1)
  const found = topics.map((topic) => ({ topic, retainedOffset: listing.retainedOffsetOf(topic) ?? null }))
  return pageOf(found, limit, ({ topic }) => topic, hold)
}

function* topicNames(broker: Broker): Generator<string> {
  for (const [topic] of broker.listing.retained()) yield topic
  yield* broker.knownTopics()
}

async function sessionsPage({ broker, after, limit, hold }: ListingRequest): Promise<ListingPage<SessionJson>> {
  const clientIds = await smallestAbove(broker.listing.sessionIds(), after, limit + 1)
  return pageOf(
    clientIds.map((clientId) => sessionJson(broker, clientId)),
    limit,
    ({ clientId }) => clientId,
    hold,
  )
}

/** A session that has gone since its client id was found is shown as one that ends at once. */
function sessionJson(broker: Broker, clientId: string): SessionJson {
  const session = broker.listing.session(clientId)
  return {
    clientId,
    connected: session?.isConnected ?? false,
    expirySec: session?.expirySec ?? 0,
    closedAt: session === undefined ? broker.nowMs() : session.closedAtMs,
    subscriptions: session?.durableSubscriptions ?? 0,
    hasWill: session?.hasWill ?? false,
  }
}

async function subscriptionsPage({
  broker,
  after,
  limit,
  hold,
}: ListingRequest): Promise<ListingPage<SubscriptionJson>> {
  const { listing } = broker
  const place = after === undefined ? { clientId: '', name: '' } : decodePlace(after)
  const found = subscriptionsOf(broker, place.clientId).filter(({ name }) => name > place.name)
  if (found.length <= limit) {
    for (const clientId of await smallestAbove(listing.subscriberIds(), place.clientId, limit + 1)) {
      found.push(...subscriptionsOf(broker, clientId))
      if (found.length > limit) break
    }
  }
  return pageOf(found, limit, encodePlace, hold)
}

function subscriptionsOf(broker: Broker, clientId: string): SubscriptionJson[] {
  return broker.listing
    .subscriptionsOf(clientId)
    .map(({ isAttached, ...view }) => ({
      ...view,
      lag: Math.max(0, broker.highWatermark - view.position),
      attached: isAttached,
    }))
    .sort((a, b) => byCodeUnit(a.name, b.name))
}
