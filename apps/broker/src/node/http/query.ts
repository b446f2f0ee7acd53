import { GomqError } from '@gomq/protocol'
import type { FastifyRequest } from 'fastify'
import { type FieldTable, type Parsed, parseFields } from './field.js'

/**
 * The parameters of a request's query.
 * @throws GomqError INVALID_ARGUMENT  it is no percent-encoded UTF-8, or as {@link parseFields} refuses
 */
export function parseQuery<Table extends FieldTable>(request: FastifyRequest, table: Table): Parsed<Table> {
  try {
    // The parser of queries takes a broken escape for text.
    if (request.url.includes('%')) decodeURIComponent(request.url)
  } catch (cause) {
    throw new GomqError('INVALID_ARGUMENT', 'the query is not valid percent-encoded UTF-8', { cause })
  }
  return parseFields(table, request.query as Record<string, unknown>, 'query parameter')
}
