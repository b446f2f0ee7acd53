import { type FastifyInstance, fastify } from 'fastify'
import type { Broker } from '../../broker.js'
import type { BrokerLog } from '../../broker-log.js'
import { GOMQ_VERSION, GOMQCTL_VERSION } from '../version.js'
import { browserGuard } from './guard.js'
import { HeldBytes } from './held-bytes.js'
import { takeJsonBodies } from './json-body.js'
import { messagesRoute } from './messages-route.js'
import { errorHandler, sendProblem } from './problem.js'
import { publishRoute } from './publish-route.js'

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
  })
  server.server.maxConnections = CONNECTIONS_MAX
  const held = new HeldBytes(heldBytesMax)
  takeJsonBodies(server, bodyBytesMax, held)
  const guard = browserGuard(httpHosts)
  server.addHook('onRequest', (request, reply, next) => {
    reply.raw.once('close', () => held.release(request.raw))
    next(guard(request))
  })
  server.setErrorHandler(errorHandler(log))
  server.setNotFoundHandler((_request, reply) =>
    sendProblem(
      reply,
      'INVALID_ARGUMENT',
      'there is no such resource; see GET /version, GET /messages, POST /pub, GET /healthz and GET /readyz',
      404,
    ),
  )
  server.get('/version', () => ({ gomq: GOMQ_VERSION, gomqctl: GOMQCTL_VERSION }))
  healthRoutes(server, broker)
  messagesRoute(server, broker, held)
  publishRoute(server, broker, messageBytesMax)
  return server
}

/** `/healthz`: the process is worth keeping. `/readyz`: clients may be sent here. */
function healthRoutes(server: FastifyInstance, broker: Broker): void {
  server.get('/healthz', (_request, reply) =>
    broker.state === 'failed'
      ? sendProblem(reply, 'STORAGE_FAILED', 'the broker has failed and is about to exit; its log says why')
      : reply.send({ status: 'ok', ...broker.stats }),
  )
  server.get('/readyz', (_request, reply) =>
    broker.state === 'serving'
      ? reply.send({ status: 'ready' })
      : sendProblem(reply, 'UNAVAILABLE', `the broker is ${broker.state} and takes no clients`),
  )
}
