import { GomqError, validateTopicFilter, validateTopicName } from '@gomq/protocol'
import { hostileText, SeededRandom } from '@gomq/protocol/testing'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { topicFilters } from '../../../src/node/http/field.js'
import { createHttpServer } from '../../../src/node/http/http-server.js'
import { parsePublish } from '../../../src/node/http/publish-request.js'
import { startBroker } from '../../harness/broker-process.js'

const IS_LONG = process.env['GOMQ_LONG'] === '1'
const STRINGS = IS_LONG ? 1_000_000 : 100_000
/** Those that go through the whole door, which takes most of the time. */
const REQUESTS = IS_LONG ? STRINGS : STRINGS / 10
const SEED = Number(process.env['GOMQ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** What the protocol's own check says: undefined, or the code. */
function codeOf(check: () => void): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    if (error instanceof GomqError) return error.code
    throw error
  }
}

async function start(): Promise<FastifyInstance> {
  const { broker } = await startBroker()
  const server = createHttpServer({ broker, messageBytesMax: 1024, httpHosts: [], log: pino({ level: 'silent' }) })
  onTestFinished(() => server.close())
  await server.ready()
  return server
}

test(`HTTP and the native protocol agree on what a topic name is (seed ${SEED})`, async () => {
  const server = await start()
  const random = new SeededRandom(SEED)
  const ask = async (topic: string): Promise<void> => {
    const expected = codeOf(() => validateTopicName(topic)) ?? (topic.startsWith('$') ? 'NOT_AUTHORIZED' : undefined)
    const payload = JSON.stringify({ topic, body: '', qos: 0 })
    const headers = { 'content-type': 'application/json', host: 'localhost' }
    const answer = await server.inject({ method: 'POST', url: '/pub', payload, headers })
    const code = answer.statusCode === 202 ? undefined : (answer.json() as { code: string }).code
    if (code !== expected)
      expect({ topic: JSON.stringify(topic), code }).toEqual({ topic: JSON.stringify(topic), code: expected })
  }
  for (let i = 0; i < REQUESTS; i++) await ask(hostileText(random))
  for (let i = 0; i < STRINGS; i++) {
    const topic = hostileText(random)
    const code = codeOf(() => parsePublish(JSON.parse(JSON.stringify({ topic, body: '' })), 1024))
    const expected = codeOf(() => validateTopicName(topic))
    if (code !== expected)
      expect({ topic: JSON.stringify(topic), code }).toEqual({ topic: JSON.stringify(topic), code: expected })
  }
}, 1_200_000)

test(`HTTP and the native protocol agree on what a topic filter is (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED)
  const field = topicFilters(64, '')
  for (let i = 0; i < STRINGS; i++) {
    const filter = hostileText(random)
    const code = codeOf(() => field.parse(filter, 'topic'))
    const expected = codeOf(() => validateTopicFilter(filter))
    if (code !== expected)
      expect({ filter: JSON.stringify(filter), code }).toEqual({ filter: JSON.stringify(filter), code: expected })
  }
})
