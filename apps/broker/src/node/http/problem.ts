import { ERROR_TABLE, type ErrorCode, GomqError, InvariantError } from '@gomq/protocol'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { BrokerLog } from '../../broker-log.js'
import { printable } from '../../printable.js'

/** Answers with a problem document (RFC 9457) that carries one of our error codes. */
export function sendProblem(reply: FastifyReply, code: ErrorCode, detail: string, status?: number): FastifyReply {
  const entry = ERROR_TABLE[code]
  const httpStatus = status ?? entry.httpStatus
  return reply
    .code(httpStatus)
    .type('application/problem+json')
    .send(
      JSON.stringify({
        type: 'about:blank',
        title: entry.summary,
        status: httpStatus,
        detail,
        code,
        retriable: entry.retriable,
      }),
    )
}

/** Turns what a route threw into a problem. Bugs are logged and their message stays here. */
export function errorHandler(log: BrokerLog) {
  return (error: FastifyError | GomqError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    // What is left of a body that was refused is not worth reading.
    if (!request.raw.complete) reply.header('connection', 'close')
    if (error instanceof GomqError) return sendProblem(reply, error.code, error.message)
    if (!(error instanceof InvariantError) && error.statusCode !== undefined && error.statusCode < 500) {
      const code = error.statusCode === 413 ? 'MESSAGE_TOO_LARGE' : 'INVALID_ARGUMENT'
      return sendProblem(reply, code, error.message, error.statusCode)
    }
    log.error({ err: error, method: request.method, url: printable(request.url) }, 'an HTTP request failed')
    return sendProblem(reply, 'INTERNAL', 'the request failed inside the broker; its log says why')
  }
}
