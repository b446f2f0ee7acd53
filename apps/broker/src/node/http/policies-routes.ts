import type { PolicyView } from '@gomq/engine'
import { GomqError, type RetentionPolicy } from '@gomq/protocol'
import type { FastifyReply } from 'fastify'
import type { Broker } from '../../broker.js'
import type { PolicyDryRun } from '../../policy-dry-run.js'
import { type Field, type JsonSchema, oneOf, topicFilter } from './field.js'
import type { HeldBytes } from './held-bytes.js'
import {
  byCodeUnit,
  LISTING_LIMIT_DEFAULT,
  LISTING_QUERY,
  type ListingPage,
  listingSchema,
  pageOf,
} from './listing-page.js'
import { POLICY_FIELDS, parsePolicy } from './policy-request.js'
import { sendProblem } from './problem.js'
import { parseQuery } from './query.js'
import type { Route } from './route.js'

/** A policy as HTTP shows it: itself and its floor. */
interface PolicyJson extends RetentionPolicy {
  readonly before: number
}

const bound = (description: string): JsonSchema => ({ type: ['integer', 'null'], minimum: 1, description })
const count = (description: string): JsonSchema => ({ type: 'integer', minimum: 0, description })

const POLICY_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    filter: { type: 'string' },
    maxAgeMs: bound('Milliseconds that messages are kept; null: no bound.'),
    maxBytes: bound('Bytes kept; null: no bound.'),
    maxCount: bound('Messages kept; null: no bound.'),
    isAckedRemoved: { type: 'boolean' },
    isCompacted: { type: 'boolean' },
    tombstoneMs: count('Milliseconds that the empty last message of a key is kept at least.'),
    before: count('Batches of its topics that end at this offset or below are removed, unless they are retained.'),
  },
  required: ['filter', 'maxAgeMs', 'maxBytes', 'maxCount', 'isAckedRemoved', 'isCompacted', 'tombstoneMs', 'before'],
  additionalProperties: false,
}

const DRY_RUN_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    dryRun: { const: true },
    before: count('The floor that the policy would have.'),
    deadBytes: count('Bytes of stored batches that would be removed.'),
    liveBytes: count('Bytes of stored batches of its topics that would stay.'),
  },
  required: ['dryRun', 'before', 'deadBytes', 'liveBytes'],
  additionalProperties: false,
}

const filter: Field<string> = topicFilter('The policy with exactly this filter.')
const LIST_QUERY: typeof LISTING_QUERY & { readonly filter: Field<string> } = { ...LISTING_QUERY, filter }
const ONE_QUERY: { readonly filter: Field<string> } = { filter: { ...filter, isRequired: true } }
const PUT_QUERY: { readonly dryRun: Field<'true' | 'false'> } = {
  dryRun: oneOf(['true', 'false'], 'Whether to say only what the policy would remove.', 'false'),
}

/** `GET`, `PUT` and `DELETE /v1/policies`. */
export function policiesRoutes(broker: Broker, held: HeldBytes, dryRun: PolicyDryRun | undefined): Route[] {
  const paths = ['/v1/policies']
  return [
    {
      method: 'GET',
      paths,
      summary: 'Retention policies with their floors, by filter; or the one with a filter.',
      query: LIST_QUERY,
      answers: { 200: { description: 'A page of policies.', schema: listingSchema(POLICY_SCHEMA) } },
      problems: [404],
      handle: (request): ListingPage<PolicyJson> => {
        const { after, limit = LISTING_LIMIT_DEFAULT, filter: only } = parseQuery(request, LIST_QUERY)
        const found = only === undefined ? policiesAbove(broker, after) : [policyOf(broker, only)]
        return pageOf(
          found,
          limit,
          (policy) => policy.filter,
          (bytes) => held.hold(request.raw, bytes),
        )
      },
    },
    {
      method: 'PUT',
      paths,
      summary: 'Keeps a retention policy, in place of one with the same filter. Answers when it holds.',
      query: PUT_QUERY,
      body: POLICY_FIELDS,
      answers: {
        200: {
          description: 'The policy as it holds now; with `dryRun` what it would remove, and nothing has changed.',
          schema: { oneOf: [POLICY_SCHEMA, DRY_RUN_SCHEMA] },
        },
      },
      problems: [413, 415, 501, 507],
      handle: async (request, reply) => {
        const query = parseQuery(request, PUT_QUERY)
        const policy = parsePolicy(request.body)
        if (query.dryRun === 'true') return answerDryRun(policy, dryRun, reply)
        await broker.putPolicy(policy)
        return policyOf(broker, policy.filter)
      },
    },
    {
      method: 'DELETE',
      paths,
      summary: 'Removes a retention policy and its floor: what is not cleaned yet may be seen again.',
      query: ONE_QUERY,
      answers: { 200: { description: 'The policy as it was.', schema: POLICY_SCHEMA } },
      problems: [404, 507],
      handle: async (request) => {
        const { filter: only } = parseQuery(request, ONE_QUERY)
        const removed = policyOf(broker, only!)
        await broker.removePolicy(only!)
        return removed
      },
    },
  ]
}

async function answerDryRun(policy: RetentionPolicy, dryRun: PolicyDryRun | undefined, reply: FastifyReply) {
  if (dryRun === undefined)
    return sendProblem(
      reply,
      'UNSUPPORTED_FEATURE',
      'this broker cannot say what a policy would remove; put it without dryRun, or use a newer broker',
      501,
    )
  const { before, deadBytes, liveBytes } = await dryRun(policy)
  return { dryRun: true, before, deadBytes, liveBytes }
}

function policiesAbove(broker: Broker, after: string | undefined): PolicyJson[] {
  return broker.listing
    .policies()
    .filter(({ policy }) => after === undefined || policy.filter > after)
    .map(policyJson)
    .sort((a, b) => byCodeUnit(a.filter, b.filter))
}

/** @throws GomqError NO_SUCH_POLICY */
function policyOf(broker: Broker, only: string): PolicyJson {
  const view = broker.listing.policy(only)
  if (view !== undefined) return policyJson(view)
  throw new GomqError('NO_SUCH_POLICY', `no policy has the filter ${JSON.stringify(only.slice(0, 80))}`)
}

function policyJson({ policy, before }: PolicyView): PolicyJson {
  return { ...policy, before }
}
