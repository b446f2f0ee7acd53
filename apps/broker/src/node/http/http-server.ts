import { InvariantError } from '@gomq/protocol'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Broker } from '../../broker.js'
import type { BrokerLog } from '../../broker-log.js'
import type { PolicyDryRun } from '../../policy-dry-run.js'
import { clusterRoute } from './cluster-route.js'
import { browserGuard } from './guard.js'
import { HeldBytes } from './held-bytes.js'
import { takeJsonBodies } from './json-body.js'
import { leaderProxy } from './leader-proxy.js'
import { listingRoutes } from './listing-routes.js'
import { messagesRoute } from './messages-route.js'
import { metricsRoute } from './metrics-route.js'
import { openApiRoute } from './openapi.js'
import { policiesRoutes } from './policies-routes.js'
import { errorHandler, sendProblem } from './problem.js'
import { publishBatchRoute, publishRoute } from './publish-route.js'
import type { Route } from './route.js'
import { healthRoutes, versionRoute } from './status-routes.js'
import { subscribeRoute } from './subscribe-route.js'

/** Bytes of the header of one request. */
const HEADER_BYTES_MAX = 16 * 1024
/** Time for the whole header, and for the whole request: a byte a second does not hold a connection. */
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
/** How late the two may be noticed. */
const TIMEOUT_CHECK_INTERVAL_MS = 5_000
/** Time without a byte in either direction: who does not read an answer does not keep it here for ever. */
const IDLE_TIMEOUT_MS = 60_000
/** HTTP connections at a time. */
const CONNECTIONS_MAX = 2_000
/** What a body may have beyond a message of the greatest size: escapes, base64, and the fields around it. */
const BODY_FACTOR = 1.5
const BODY_OVERHEAD_BYTES: number = 64 * 1024
/** Bytes of bodies and pages that all requests may hold together. */
const HELD_BYTES_MAX: number = 256 * 1024 * 1024

/** What the HTTP door is made of. */
export interface HttpServerOptions {
  readonly broker: Broker
  /** Greatest value of one message; a body may be half as large again, for what JSON adds. */
  readonly messageBytesMax: number
  /** Host names, in lower case, that requests may be addressed to beside `localhost` and IP addresses. */
  readonly httpHosts: readonly string[]
  readonly log: BrokerLog
  /** Bytes of bodies and pages that all requests may hold together; 256 MiB by default. */
  readonly heldBytesMax?: number
  /** Says what a retention policy would remove; without it a dry run answers 501. */
  readonly dryRun?: PolicyDryRun | undefined
}

/** The HTTP door. JSON only, for browsers of the same origin only, every answer bounded. */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { broker, messageBytesMax, httpHosts, log, heldBytesMax = HELD_BYTES_MAX } = options
  const bodyBytesMax = Math.floor(messageBytesMax * BODY_FACTOR) + BODY_OVERHEAD_BYTES
  const server = fastify({
    logger: false,
    bodyLimit: bodyBytesMax,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: IDLE_TIMEOUT_MS,
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
      insecureHTTPParser: false,
    },
    frameworkErrors: errorHandler(log),
    forceCloseConnections: 'idle',
    schemaController: { compilersFactory: { buildValidator: () => noSchemas, buildSerializer: () => noSchemas } },
  })
  server.server.maxConnections = CONNECTIONS_MAX
  const held = new HeldBytes(heldBytesMax)
  takeJsonBodies(server, bodyBytesMax, held)
  const guard = browserGuard(httpHosts)
  server.addHook('onRequest', (request, reply, next) => {
    reply.raw.once('close', () => held.release(request.raw))
    next(guard(request))
  })
  server.addHook('onRequest', leaderProxy(broker))
  server.setErrorHandler(errorHandler(log))
  const routes = routesOf(options, held)
  const resources = routes.flatMap(({ method, paths }) => paths.map((path) => `${method} ${path}`)).join(', ')
  server.setNotFoundHandler((_request, reply) =>
    sendProblem(reply, 'INVALID_ARGUMENT', `there is no such resource; there are ${resources}`, 404),
  )
  for (const route of routes) {
    const exposeHeadRoute = route.answers[200]?.contentType === undefined
    for (const path of route.paths) {
      const handler = (request: FastifyRequest, reply: FastifyReply) => route.handle(request, reply)
      if (route.method === 'GET') server.get(path, { exposeHeadRoute }, handler)
      else server.route({ method: route.method, url: path, handler })
    }
  }
  return server
}

/** Routes check what they take and write what they answer themselves. Fastify would load its compilers, at a tenth of a second, all the same. */
function noSchemas(): never {
  throw new InvariantError('a route of the HTTP door has a schema')
}

/** Every resource of the HTTP door. */
function routesOf({ broker, messageBytesMax, dryRun }: HttpServerOptions, held: HeldBytes): Route[] {
  const routes = [
    publishRoute(broker, messageBytesMax),
    publishBatchRoute(broker, messageBytesMax),
    messagesRoute(broker, held),
    subscribeRoute(broker, held),
    ...listingRoutes(broker, held),
    ...policiesRoutes(broker, held, dryRun),
    versionRoute(),
    clusterRoute(broker),
    ...healthRoutes(broker),
    metricsRoute(broker),
  ]
  return [...routes, openApiRoute(routes)]
}
