import type { BrokerStatus, ClusterStatus } from '@gomq/cluster'
import type { Broker } from '../../broker.js'
import { type JsonSchema, oneOf } from './field.js'
import { parseQuery } from './query.js'
import type { Route } from './route.js'

const ROLES = ['joining', 'member', 'leader', 'suspended']
const NUMBER_OR_NULL: JsonSchema = { type: ['integer', 'null'] }
const TEXT_OR_NULL: JsonSchema = { type: ['string', 'null'] }

const QUERY = {
  local: oneOf(['true', 'false'], 'Whether this broker answers for itself, also while another leads.', 'false'),
}

const BROKER: JsonSchema = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    storeId: { type: 'string', description: 'Identity of its data directory: another one after the disk was emptied.' },
    role: { enum: [...ROLES, 'gone'] },
    addresses: {
      type: ['object', 'null'],
      description: 'Null for a broker that is gone, and for one alone.',
      properties: { tcp: { type: 'string' }, http: { type: 'string' }, replication: { type: 'string' } },
      required: ['tcp', 'http', 'replication'],
      additionalProperties: false,
    },
    version: { type: 'string' },
    startedAtMs: {
      ...NUMBER_OR_NULL,
      description: 'When its process started, ms since 1970 by its clock; null where this broker does not know.',
    },
    isInSync: { type: 'boolean', description: 'Whether it has everything that is acknowledged, and may be elected.' },
    logEndOffset: { ...NUMBER_OR_NULL, description: 'Null where this broker does not know.' },
    lag: {
      ...NUMBER_OR_NULL,
      description: "Offsets behind the leader's log end; null where this broker does not know.",
    },
  },
  required: ['id', 'storeId', 'role', 'addresses', 'version', 'startedAtMs', 'isInSync', 'logEndOffset', 'lag'],
  additionalProperties: false,
}

/** `GET /v1/cluster`: the cluster as its leader sees it, who alone knows how far each has come; as this broker sees it where nobody leads. */
export function clusterRoute(broker: Broker): Route {
  return {
    method: 'GET',
    paths: ['/v1/cluster'],
    summary: 'The cluster as its leader sees it, or this broker if nobody leads; of a broker alone, itself.',
    query: QUERY,
    answers: {
      200: {
        description: 'Who leads, who is in sync, and how far each has come, as far as this broker knows.',
        schema: {
          type: 'object',
          properties: {
            id: { type: 'string', description: 'Of the broker that answers.' },
            clusterUuid: {
              type: 'string',
              description: 'Empty until it belongs to a cluster, and for a broker alone.',
            },
            replicas: { type: 'integer' },
            epoch: { type: 'integer' },
            role: { enum: ROLES },
            leaderId: TEXT_OR_NULL,
            highWatermark: { type: 'integer', description: 'End of what has committed, exclusive.' },
            trouble: { ...TEXT_OR_NULL, description: 'Why nothing goes on, in words; null if all is well.' },
            brokers: { type: 'array', items: BROKER },
          },
          required: [
            'id',
            'clusterUuid',
            'replicas',
            'epoch',
            'role',
            'leaderId',
            'highWatermark',
            'trouble',
            'brokers',
          ],
          additionalProperties: false,
        },
      },
    },
    handle: (request) => {
      parseQuery(request, QUERY)
      return { id: broker.id, ...clusterJson(broker.cluster) }
    },
  }
}

function clusterJson(status: ClusterStatus): object {
  const { clusterUuid, replicas, epoch, role, leaderId, highWatermark, trouble, brokers } = status
  return {
    ...{ clusterUuid, replicas, epoch, role, leaderId: leaderId ?? null, highWatermark, trouble: trouble ?? null },
    brokers: brokers.map(brokerJson),
  }
}

function brokerJson(status: BrokerStatus): object {
  const { id, storeId, role, addresses, version, startedAtMs, isInSync, logEndOffset, lag } = status
  return {
    ...{ id, storeId, role, addresses: addresses ?? null, version, startedAtMs: startedAtMs ?? null, isInSync },
    ...{ logEndOffset: logEndOffset ?? null, lag: lag ?? null },
  }
}
