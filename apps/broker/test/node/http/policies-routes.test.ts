import { RETENTION_DEFAULTS } from '@gomq/protocol'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createHttpServer } from '../../../src/node/http/http-server.js'
import type { PolicyDryRun } from '../../../src/policy-dry-run.js'
import { startBroker, temporaryDirectory } from '../../harness/broker-process.js'
import { EventSource } from '../../harness/event-source.js'
import { type Answer, call, type HttpTarget, publish } from '../../harness/http-client.js'

const put = (broker: HttpTarget, policy: unknown, query = ''): Promise<Answer> =>
  call(broker, 'PUT', `/v1/policies${query}`, JSON.stringify(policy))
const policies = async (broker: HttpTarget, query = '') => (await call(broker, 'GET', `/v1/policies${query}`)).json
const one = (filter: string) => `?filter=${encodeURIComponent(filter)}`

describe('/v1/policies', () => {
  test('PUT keeps a policy, with durations and sizes as people write them, and GET shows it', async () => {
    const directory = await temporaryDirectory()
    const broker = await startBroker([], directory)
    const policy = { filter: 'orders/#', maxAgeMs: '7d', maxBytes: '1.5GiB', maxCount: 5, isCompacted: true }
    expect(await put(broker, policy)).toMatchObject({ status: 400, json: { code: 'INVALID_ARGUMENT' } })
    const kept = {
      ...RETENTION_DEFAULTS,
      filter: 'orders/#',
      maxAgeMs: 604_800_000,
      maxBytes: 1024 ** 3,
      maxCount: 5,
      isCompacted: true,
      before: 0,
    }
    expect(await put(broker, { ...policy, maxBytes: '1GiB' })).toMatchObject({ status: 200, json: kept })
    expect(await policies(broker)).toEqual({ items: [kept] })
    expect(await policies(broker, one('orders/#'))).toEqual({ items: [kept] })
    await broker.stop()
    const again = await startBroker([], directory)
    expect(await policies(again)).toEqual({ items: [kept] })
  })

  test('PUT takes plain milliseconds and bytes, and null for no bound', async () => {
    const broker = await startBroker()
    const policy = { filter: 'a', maxAgeMs: 1000, maxBytes: 5, maxCount: null, tombstoneMs: 0 }
    expect((await put(broker, policy)).json).toEqual({ ...RETENTION_DEFAULTS, ...policy, before: 0 })
    const wrong = [
      { filter: 'a/#/b' },
      { filter: 5 },
      {},
      { filter: 'a', maxAgeMs: '7' },
      { filter: 'a', maxAgeMs: 0 },
      { filter: 'a', maxBytes: '1GB' },
      { filter: 'a', maxCount: '5' },
      { filter: 'a', maxCount: 1.5 },
      { filter: 'a', isCompacted: 1 },
      { filter: 'a', tombstoneMs: -1 },
      { filter: 'a', before: 3 },
      [],
      null,
    ]
    for (const each of wrong) expect((await put(broker, each)).status, JSON.stringify(each)).toBe(400)
    expect((await put(broker, { filter: 'a' }, '?dryRun=yes')).status).toBe(400)
    expect(((await policies(broker))['items'] as unknown[]).length).toBe(1)
  })

  test('GET goes page by page, by filter', async () => {
    const broker = await startBroker()
    const filters = ['b', 'a/#', '+/x', 'ü']
    for (const filter of filters) await put(broker, { filter })
    const found: unknown[] = []
    let after: string | undefined
    do {
      const page = await policies(broker, `?limit=1${after === undefined ? '' : `&after=${encodeURIComponent(after)}`}`)
      found.push(...(page['items'] as { filter: string }[]).map(({ filter }) => filter))
      after = page['next'] as string | undefined
    } while (after !== undefined)
    expect(found).toEqual([...filters].sort())
  })

  test('DELETE removes a policy, once', async () => {
    const broker = await startBroker()
    await put(broker, { filter: 'a/#', maxCount: 1 })
    const remove = () => call(broker, 'DELETE', `/v1/policies${one('a/#')}`)
    expect(await remove()).toMatchObject({ status: 200, json: { filter: 'a/#', maxCount: 1 } })
    expect(await remove()).toMatchObject({ status: 404, json: { code: 'NO_SUCH_POLICY' } })
    expect(await call(broker, 'GET', `/v1/policies${one('a/#')}`)).toMatchObject({ status: 404 })
    expect((await call(broker, 'DELETE', '/v1/policies')).status).toBe(400)
  })

  test('a page of another site may not change them', async () => {
    const broker = await startBroker()
    const origin = { origin: 'http://evil.example' }
    expect((await call(broker, 'PUT', '/v1/policies', '{"filter":"a"}', origin)).status).toBe(403)
    expect((await call(broker, 'DELETE', '/v1/policies?filter=a', undefined, origin)).status).toBe(403)
  })

  test('a dry run says what would go and changes nothing, and 501 where nobody can say', async () => {
    const broker = await startBroker()
    const asked: unknown[] = []
    const dryRun: PolicyDryRun = (policy) => {
      asked.push(policy)
      return Promise.resolve({ before: 12 as never, deadBytes: 300, liveBytes: 40 })
    }
    const ask = async (how: { dryRun?: PolicyDryRun }) => {
      const log = pino({ level: 'silent' })
      const server = createHttpServer({ broker: broker.broker, messageBytesMax: 1024, httpHosts: [], log, ...how })
      onTestFinished(() => server.close())
      return server.inject({ method: 'PUT', url: '/v1/policies?dryRun=true', payload: { filter: 'a' } })
    }
    expect((await ask({ dryRun })).json()).toEqual({ dryRun: true, before: 12, deadBytes: 300, liveBytes: 40 })
    expect(asked).toEqual([{ ...RETENTION_DEFAULTS, filter: 'a' }])
    const unable = await ask({})
    expect([unable.statusCode, unable.json().code]).toEqual([501, 'UNSUPPORTED_FEATURE'])
    expect(await policies(broker)).toEqual({ items: [] })
  })

  test('a dry run counts what is stored: all but the newest, by the messages that a policy would keep', async () => {
    const broker = await startBroker()
    const offsets: number[] = []
    for (const body of ['1', '2', '3'])
      offsets.push((await publish(broker, { topic: 'a', body })).json['offset'] as number)
    const answer = await put(broker, { filter: 'a', maxCount: 1 }, '?dryRun=true')
    expect(answer).toMatchObject({ status: 200, json: { dryRun: true, before: offsets[1]! + 1 } })
    expect(answer.json['deadBytes']).toBe(2 * (answer.json['liveBytes'] as number))
    expect((await call(broker, 'GET', '/messages?topic=a')).json['message_list']).toHaveLength(3)
  })

  test('what is dead is left out of /messages, and an event stream names what it missed', async () => {
    const broker = await startBroker()
    await put(broker, { filter: 'a' })
    const offsets: number[] = []
    for (const body of ['1', '2', '3'])
      offsets.push((await publish(broker, { topic: 'a', body })).json['offset'] as number)
    const { version } = broker.broker.retentionRules()
    await broker.broker.handleSurvey([{ filter: 'a', before: offsets[2]! as never }], version)
    expect((await policies(broker))['items']).toMatchObject([{ before: offsets[2] }])
    const { json } = await call(broker, 'GET', '/messages?topic=a')
    expect((json['message_list'] as { value: string }[]).map(({ value }) => value)).toEqual(['3'])
    const source = await EventSource.open(broker, `/v1/subscribe?topic=a&from=${offsets[0]}`)
    onTestFinished(() => source.close())
    await expect.poll(() => source.values).toEqual(['3'])
    const missed = source.events.filter(({ event }) => event === 'missed')
    expect(missed.map(({ data }) => JSON.parse(data!))).toEqual([{ from: offsets[0], to: offsets[1]! + 1 }])
    expect(missed[0]?.id).toBe(`${offsets[1]}`)
  })
})
