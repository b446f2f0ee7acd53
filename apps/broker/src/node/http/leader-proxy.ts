import {
  Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http'
import { GomqError } from '@gomq/protocol'
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import type { Broker } from '../../broker.js'
import { endpoint } from '../configuration/values.js'
import { sendProblem } from './problem.js'

/** How often a request was passed on. */
const HOPS_HEADER = 'gomq-hops'
/** A request that a broker passes on may meet one that has just ceased to lead, and knows who does. One that goes round stops here. */
const HOPS_MAX = 2
/** Time to reach the leader's machine. */
const CONNECT_TIMEOUT_MS = 2_000
/** Who gets no answer at all from the leader for so long is told so; streams have signs of life more often. */
const SILENCE_TIMEOUT_MS = 60_000
/** What these concern ends at each connection (RFC 9110, 7.6.1). `expect` is answered here. */
const HOP_BY_HOP = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect'],
  ...['proxy-authenticate', 'proxy-authorization'],
])

/**
 * What each broker answers for itself: `/healthz`, `/readyz`, `/metrics`, `/version`, the document of what there is, and `/v1/cluster?local=true`.
 * Everything else is the leader's to answer.
 */
function isOwn(url: string): boolean {
  const [path = '', query = ''] = url.split('?', 2)
  if (path === '/v1/cluster') return new URLSearchParams(query).get('local') === 'true'
  return ['/healthz', '/readyz', '/metrics', '/version', '/v1/openapi.json'].includes(path)
}

/**
 * Passes requests on to the leader while another broker leads: headers and body go there as they come, the answer comes back as it is made, streams
 * too. `/v1/cluster` is answered here if no leader can be reached.
 *
 * It runs before anything of the body is read.
 */
export function leaderProxy(broker: Broker): onRequestHookHandler {
  // A connection for each request: on one that is kept, the leader's closing it and a request that must not be sent twice cross.
  const agent = new Agent({ keepAlive: false })
  return (request, reply, next) => {
    const { leader } = broker
    if (leader === undefined || leader.addresses.http === '' || broker.state === 'serving' || isOwn(request.url))
      return next()
    const answersAlone = request.url.split('?', 1)[0] === '/v1/cluster'
    const hops = Number(request.headers[HOPS_HEADER] ?? 0)
    if (!(hops < HOPS_MAX)) {
      if (answersAlone) return next()
      return next(new GomqError('NO_LEADER', 'no broker says that it leads; try again in a moment'))
    }
    const forwarded = forward(request, leader.addresses.http, hops + 1, agent)
    pass(request, reply, forwarded, (failure) => {
      if (answersAlone) return next()
      const { where, isSent } = failure
      if (!isSent)
        return next(new GomqError('NO_LEADER', `the leader at ${where} cannot be reached; try again in a moment`))
      const unknown = `the leader at ${where} was lost before it answered: whether the request was carried out is not known`
      sendProblem(reply, 'UNAVAILABLE', `${unknown}; with the same Idempotency-Key it can be sent again`)
    })
  }
}

/** A request to the leader that has begun. */
interface Forwarded {
  readonly where: string
  readonly upstream: ClientRequest
}

function forward(request: FastifyRequest, where: string, hops: number, agent: Agent): Forwarded {
  const { host, port } = endpoint(where)
  // The guard of this broker has looked at Host and Origin; the leader has an address of its own.
  const { origin: _, ...headers } = endToEnd(request.headers)
  const upstream = httpRequest({
    ...{ host, port, agent, method: request.method, path: request.url },
    headers: {
      ...headers,
      host: where,
      [HOPS_HEADER]: String(hops),
      // Whatever the method: a body without its frame would be taken for another request.
      ...(request.headers['transfer-encoding'] !== undefined && { 'transfer-encoding': 'chunked' }),
    },
  })
  return { where, upstream }
}

/** Joins the two connections until one of them ends. `onFailure` is called if nothing of an answer has come. */
function pass(
  { raw: incoming }: FastifyRequest,
  reply: FastifyReply,
  { where, upstream }: Forwarded,
  onFailure: (failure: { readonly where: string; readonly isSent: boolean }) => void,
): void {
  const outgoing = reply.raw
  let isSent = false
  let isOver = false
  const connecting = setTimeout(() => upstream.destroy(), CONNECT_TIMEOUT_MS)
  const fail = (): void => {
    clearTimeout(connecting)
    if (isOver) return
    isOver = true
    if (!outgoing.destroyed) onFailure({ where, isSent })
  }
  upstream.once('socket', (socket) =>
    socket.once('connect', () => {
      clearTimeout(connecting)
      isSent = true
      // Only now, so that the body is still whole if another answers in the leader's place.
      incoming.pipe(upstream)
    }),
  )
  upstream.setTimeout(SILENCE_TIMEOUT_MS, () => upstream.destroy())
  upstream.once('error', fail)
  upstream.once('close', fail)
  upstream.once('response', (answer: IncomingMessage) => {
    isOver = true
    reply.hijack()
    outgoing.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers))
    outgoing.flushHeaders()
    answer.pipe(outgoing)
    // An answer that breaks off must not look like a whole one.
    answer.once('close', () => {
      if (!answer.complete) outgoing.destroy()
    })
  })
  outgoing.once('close', () => upstream.destroy())
}

function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const named = String(headers.connection ?? '')
    .toLowerCase()
    .split(',')
  const ends = new Set([...HOP_BY_HOP, ...named.map((name) => name.trim())])
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ends.has(name)))
}
