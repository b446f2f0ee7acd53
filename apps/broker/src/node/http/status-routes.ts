import type { Broker } from '../../broker.js'
import { GOMQ_VERSION, GOMQCTL_VERSION } from '../version.js'
import { sendProblem } from './problem.js'
import type { Route } from './route.js'

/** `GET /version`: the broker's version, and that of the gomqctl released with it. */
export function versionRoute(): Route {
  return {
    method: 'GET',
    paths: ['/version'],
    summary: "The broker's version, and that of the gomqctl released with it.",
    answers: {
      200: {
        description: 'Both versions.',
        schema: {
          type: 'object',
          properties: { gomq: { type: 'string' }, gomqctl: { type: 'string' } },
          required: ['gomq', 'gomqctl'],
          additionalProperties: false,
        },
      },
    },
    handle: () => ({ gomq: GOMQ_VERSION, gomqctl: GOMQCTL_VERSION }),
  }
}

/** `/healthz`: the process is worth keeping. `/readyz`: clients may be sent here. */
export function healthRoutes(broker: Broker): Route[] {
  return [
    {
      method: 'GET',
      paths: ['/healthz'],
      summary: 'Whether the process is worth keeping, with counts of the moment.',
      answers: {
        200: {
          description: 'It is.',
          schema: {
            type: 'object',
            properties: { status: { const: 'ok' } },
            required: ['status'],
            additionalProperties: { type: 'integer' },
          },
        },
      },
      problems: [500],
      handle: (_request, reply) =>
        broker.state === 'failed'
          ? sendProblem(reply, 'STORAGE_FAILED', 'the broker has failed and is about to exit; its log says why')
          : { status: 'ok', ...broker.stats },
    },
    {
      method: 'GET',
      paths: ['/readyz'],
      summary: 'Whether clients may be sent here.',
      answers: {
        200: {
          description:
            'They may. Publishes may be refused all the same, while the disk is nearly full: consumers can go on.',
          schema: {
            type: 'object',
            properties: {
              status: { const: 'ready' },
              publishes: { enum: ['taken', 'refused'] },
              reason: { type: 'string', description: 'Why publishes are refused, and what to do.' },
            },
            required: ['status', 'publishes'],
            additionalProperties: false,
          },
        },
      },
      problems: [503],
      handle: (_request, reply) => {
        // A member sends its clients to the leader.
        if (broker.state === 'following' && broker.leader !== undefined) return { status: 'ready', publishes: 'taken' }
        if (broker.state !== 'serving')
          return sendProblem(reply, 'UNAVAILABLE', `the broker is ${broker.state} and takes no clients`)
        const { noRoom, isFull } = broker.disk
        if (noRoom === undefined) return { status: 'ready', publishes: 'taken' }
        // Not even acknowledgements are stored.
        if (isFull) return sendProblem(reply, 'DISK_FULL', noRoom.message, 503)
        return { status: 'ready', publishes: 'refused', reason: noRoom.message }
      },
    },
  ]
}
