import type { Broker } from '../../broker.js'
import type { Metrics } from './metrics.js'
import type { Route } from './route.js'

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** `GET /metrics` for Prometheus. */
export function metricsRoute(broker: Broker): Route {
  let metrics: Promise<Metrics> | undefined
  return {
    method: 'GET',
    paths: ['/metrics'],
    summary: 'The counts of /healthz and those of the process, for Prometheus.',
    answers: {
      200: { description: "Prometheus' text format.", contentType: 'text/plain', schema: { type: 'string' } },
    },
    handle: async (_request, reply) => {
      // Loaded with the first request: a broker that nobody watches starts without.
      metrics ??= import('./metrics.js').then(({ Metrics }) => new Metrics(() => broker.stats))
      return reply.type(CONTENT_TYPE).send(await (await metrics).text())
    },
  }
}
