import { PacketType } from '@gomq/protocol'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { BrokerProcess } from '../../../src/node/broker-process.js'
import { createHttpServer } from '../../../src/node/http/http-server.js'
import { startBroker } from '../../harness/broker-process.js'
import { EventSource } from '../../harness/event-source.js'
import { call, publish } from '../../harness/http-client.js'
import { batchOf, connectPacket, subscribePacket } from '../../harness/packets.js'
import { TcpClient } from '../../harness/tcp-client.js'

interface Operation {
  parameters?: { name: string; in: string; description: string; schema: object }[]
  requestBody?: { content: { 'application/json': { schema: object } } }
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: object }> }>
}

interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: { Problem: object } }
}

function serverOf({ broker }: BrokerProcess): FastifyInstance {
  const server = createHttpServer({ broker, messageBytesMax: 1024, httpHosts: [], log: pino({ level: 'silent' }) })
  onTestFinished(() => server.close())
  return server
}

async function documentOf(broker: BrokerProcess): Promise<Document> {
  return (await call(broker, 'GET', '/v1/openapi.json')).json as unknown as Document
}

/** `GET /path` of each route of a tree as Fastify prints it, where a path is the one above it and its own part. */
function routesIn(tree: string): string[] {
  const above: { depth: number; path: string }[] = []
  return tree.split('\n').flatMap((line) => {
    const match = /^(.*── )(\/\S*)(?: \(([A-Z, ]+)\))?/.exec(line)
    if (match === null) return []
    const [, indent, part, methods = ''] = match
    while (above.length > 0 && above.at(-1)!.depth >= indent!.length) above.pop()
    const path = (above.at(-1)?.path ?? '') + part
    above.push({ depth: indent!.length, path })
    return methods
      .split(', ')
      .filter((method) => method !== '' && method !== 'HEAD')
      .map((method) => `${method} ${path}`)
  })
}

/** Fails with what does not fit. */
function expectValid(schema: object, value: unknown, what: string): void {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true })
  ajv.validate(schema, value)
  expect(ajv.errors ?? [], `${what}: ${JSON.stringify(value)}`).toEqual([])
}

describe('GET /v1/openapi.json', () => {
  test('every documented route exists and every route is documented', async () => {
    const broker = await startBroker()
    const { openapi, paths } = await documentOf(broker)
    expect(openapi).toBe('3.1.0')
    const documented = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const server = serverOf(broker)
    const existing = routesIn(server.printRoutes({ commonPrefix: false }))
    expect(documented.sort()).toEqual(existing.sort())
    expect(documented).toContain('POST /v1/publish')
  })

  test('all schemas are schemas of JSON Schema 2020-12', async () => {
    const { paths, components } = await documentOf(await startBroker())
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true })
    ajv.compile(components.schemas.Problem)
    let count = 0
    for (const operation of Object.values(paths).flatMap((operations) => Object.values(operations))) {
      const { parameters = [], requestBody, responses } = operation
      const contents = Object.values(responses).flatMap(({ content = {} }) => Object.values(content))
      for (const { schema } of [...parameters, ...contents]) {
        ajv.compile(schema)
        count++
      }
      if (requestBody !== undefined) ajv.compile(requestBody.content['application/json'].schema)
    }
    expect(count).toBeGreaterThan(20)
  })

  test('answers are as the document says', async () => {
    const broker = await startBroker()
    const { paths, components } = await documentOf(broker)
    const client = await TcpClient.open(broker.tcp.port)
    client.send(connectPacket({ clientId: 'c', will: batchOf('w', ['x']) }))
    await client.queue.take(PacketType.CONNACK)
    client.send(subscribePacket({ name: 'n' }))
    await client.queue.take(PacketType.SUBACK)
    await publish(broker, { topic: 'A', body: { n: [1] }, retain: true, key: 'k', headers: { a: 'b' }, ttlMs: 1e6 })
    await publish(broker, { topic: 'A', body: '/w==', encoding: 'base64' })
    const requests: [string, string, string?][] = [
      ['GET', '/version'],
      ['GET', '/healthz'],
      ['GET', '/readyz'],
      ['GET', '/v1/cluster'],
      ['GET', '/messages?topic=A&limit=1'],
      ['GET', '/v1/messages?topic=A'],
      ['GET', '/v1/topics?limit=1'],
      ['GET', '/v1/sessions'],
      ['GET', '/v1/subscriptions'],
      ['PUT', '/v1/policies', '{"filter":"A","maxAgeMs":"7d","maxBytes":null}'],
      ['GET', '/v1/policies'],
      ['GET', '/v1/policies?filter=A'],
      ['DELETE', '/v1/policies?filter=A'],
      ['GET', '/v1/openapi.json'],
      ['POST', '/pub', '{"topic":"A","body":"x"}'],
      ['POST', '/v1/publish', '{"topic":"A","body":"x","qos":0}'],
    ]
    for (const [method, path, body] of requests) {
      const { status, json } = await call(broker, method, path, body)
      const operation = paths[path.split('?')[0]!]![method.toLowerCase()]!
      const { schema } = operation.responses[status]!.content!['application/json']!
      expectValid(schema, json, path)
      expect(json['items'], path).not.toEqual([])
    }
    const refusals: [string, string, string?][] = [
      ['GET', '/messages?topic=%23'],
      ['GET', '/messages?topic=a&from=999'],
      ['GET', '/v1/topics?limit=0'],
      ['GET', '/v1/subscribe'],
      ['GET', '/v1/policies?filter=none'],
      ['PUT', '/v1/policies?dryRun=true', '{"filter":"A/#/b"}'],
      ['PUT', '/v1/policies', '{"filter":"A/#/b"}'],
      ['DELETE', '/v1/policies?filter=none'],
      ['POST', '/pub', '{"topic":"$SYS","body":"x"}'],
      ['POST', '/pub', '{'],
    ]
    for (const [method, path, body] of refusals) {
      const { status, type, json } = await call(broker, method, path, body)
      expect(type).toContain('application/problem+json')
      expectValid(components.schemas.Problem, json, path)
      const operation = paths[path.split('?')[0]!]![method.toLowerCase()]!
      expect(operation.responses[status]?.$ref, path).toBe('#/components/responses/Problem')
    }
    const source = await EventSource.open(broker, '/v1/subscribe?topic=A&from=earliest')
    await expect.poll(() => source.messages.length).toBeGreaterThan(2)
    source.close()
    client.close()
    const { schema } = paths['/v1/subscribe']!['get']!.responses['200']!.content!['text/event-stream']!
    for (const message of source.messages) expectValid(schema, message, 'event')
  })

  test('the schema of a publish and the broker agree on what a request is', async () => {
    const broker = await startBroker()
    const { paths } = await documentOf(broker)
    const { schema } = paths['/pub']!['post']!.requestBody!.content['application/json']
    const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema)
    const values: unknown[] = [
      undefined,
      null,
      '',
      'x',
      0,
      1,
      2,
      3,
      -1,
      1.5,
      true,
      false,
      [],
      {},
      { a: 'b' },
      { a: 1 },
      2 ** 53,
    ]
    for (const field of ['qos', 'retain', 'key', 'headers', 'ttlMs', 'topic', 'body', 'extra', 'encoding']) {
      for (const value of values) {
        const request = { topic: 'a', body: 'abcd', [field]: value }
        const { status } = await call(broker, 'POST', '/pub', JSON.stringify(request))
        expect({ field, value, isTaken: status < 400 }).toEqual({
          field,
          value,
          isTaken: validate(JSON.parse(JSON.stringify(request))),
        })
      }
    }
  })
})
