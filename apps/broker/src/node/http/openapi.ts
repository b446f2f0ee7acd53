import { GOMQ_VERSION } from '../version.js'
import { bodySchema, type FieldTable, type JsonSchema } from './field.js'
import { PROBLEM_SCHEMA, PROBLEM_TYPE } from './problem.js'
import type { Route, RouteAnswer } from './route.js'

/** Problems that every route may answer with: a request that is not valid, a foreign host, too much at once, a stop. */
const PROBLEMS: readonly number[] = [400, 403, 429, 503]

/** `GET /v1/openapi.json`: the document of `routes` and of itself. */
export function openApiRoute(routes: readonly Route[]): Route {
  const route: Route = {
    method: 'GET',
    paths: ['/v1/openapi.json'],
    summary: 'This document.',
    answers: { 200: { description: 'An OpenAPI 3.1 document.', schema: { type: 'object' } } },
    handle: (_request, reply) => reply.type('application/json; charset=utf-8').send(text),
  }
  const text = JSON.stringify(openApiDocument([...routes, route]))
  return route
}

/** The OpenAPI 3.1 document of the routes, printed from the tables that check their requests. */
export function openApiDocument(routes: readonly Route[]): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes)
    for (const path of route.paths) paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) }
  return {
    openapi: '3.1.0',
    info: {
      title: 'GoMQ',
      version: GOMQ_VERSION,
      description: 'The HTTP door of the GoMQ message broker.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: { Problem: PROBLEM_SCHEMA },
      responses: {
        Problem: {
          description: 'A problem document (RFC 9457) with an error code.',
          content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  }
}

function operationOf(route: Route): JsonSchema {
  const { summary, query, headers, body, answers, problems = [] } = route
  const responses: Record<string, unknown> = {}
  for (const status of Object.keys(answers)) responses[status] = responseOf(answers[Number(status)]!)
  for (const status of [...PROBLEMS, ...problems].sort((a, b) => a - b))
    responses[status] = { $ref: '#/components/responses/Problem' }
  const parameters = [...parametersOf(query, 'query'), ...parametersOf(headers, 'header')]
  return {
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: bodySchema(body) } } } }),
    responses,
  }
}

function parametersOf(table: FieldTable | undefined, place: 'query' | 'header'): unknown[] {
  return Object.entries(table ?? {}).map(([name, { schema, isRequired }]) => {
    const { description, ...rest } = schema
    return { name, in: place, ...(isRequired ? { required: true } : {}), description, schema: rest }
  })
}

function responseOf({ description, contentType = 'application/json', schema }: RouteAnswer): JsonSchema {
  return { description, content: { [contentType]: { schema } } }
}
