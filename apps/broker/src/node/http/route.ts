import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FieldTable, JsonSchema } from './field.js'

/** An answer of a route, for its documentation. */
export interface RouteAnswer {
  readonly description: string
  /** `application/json` unless said otherwise. */
  readonly contentType?: string
  readonly schema: JsonSchema
}

/**
 * A resource with its documentation. The server is made of these and so is the OpenAPI document: what is not in a table of the route
 * is refused, and what is, is documented.
 */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** The same resource under several paths. */
  readonly paths: readonly string[]
  readonly summary: string
  readonly query?: FieldTable
  readonly headers?: FieldTable
  readonly body?: FieldTable
  readonly answers: { readonly [status: number]: RouteAnswer }
  /** Statuses of the problem documents that this route may answer with, beside those of every route. */
  readonly problems?: readonly number[]
  handle(request: FastifyRequest, reply: FastifyReply): unknown
}
