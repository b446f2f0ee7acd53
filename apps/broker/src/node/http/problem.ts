import { ERROR_TABLE, type ErrorCode, GomqError, InvariantError } from '@gomq/protocol'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { BrokerLog } from '../../broker-log.js'
import { printable } from '../../printable.js'
import type { JsonSchema } from './field.js'

/** Media type of a problem document. */
export const PROBLEM_TYPE = 'application/problem+json'

/** An election takes moments. */
const RETRY_AFTER_SEC = 1

/** Schema of a problem document. */
export const PROBLEM_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    type: { const: 'about:blank' },
    title: { type: 'string', description: 'What the code means.' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string', description: 'What happened, why, and what to do.' },
    code: { enum: Object.keys(ERROR_TABLE) },
    retriable: { type: 'boolean', description: 'Whether the same request may succeed later.' },
  },
  required: ['type', 'title', 'status', 'detail', 'code', 'retriable'],
  additionalProperties: false,
}

/** A problem document (RFC 9457) for one of our error codes. */
export function problemJson(code: ErrorCode, detail: string, status: number = ERROR_TABLE[code].httpStatus): string {
  const { summary: title, retriable } = ERROR_TABLE[code]
  return JSON.stringify({ type: 'about:blank', title, status, detail, code, retriable })
}

/** Answers with a problem document that carries one of our error codes. */
export function sendProblem(
  reply: FastifyReply,
  code: ErrorCode,
  detail: string,
  status: number = ERROR_TABLE[code].httpStatus,
): FastifyReply {
  if (code === 'NO_LEADER' || code === 'NOT_LEADER') reply.header('retry-after', RETRY_AFTER_SEC)
  return reply
    .code(status)
    .type(PROBLEM_TYPE)
    .send(problemJson(code, detail, status))
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
