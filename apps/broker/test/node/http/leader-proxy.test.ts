import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Broker } from '../../../src/broker.js'
import { createHttpServer } from '../../../src/node/http/http-server.js'
import { startBroker } from '../../harness/broker-process.js'

/** The HTTP door of a broker that takes the one at `leaderHttp()` for the leader. */
async function startMember(leaderHttp: () => string | undefined, known: object = {}): Promise<string> {
  const broker = {
    id: 'member',
    state: 'following',
    get leader() {
      const http = leaderHttp()
      return http === undefined ? undefined : { id: 'l', epoch: 1, addresses: { tcp: '', http, replication: '' } }
    },
    cluster: { clusterUuid: '', replicas: 3, epoch: 1, role: 'member', highWatermark: 0, brokers: [] },
    ...known,
  } as unknown as Broker
  const server = createHttpServer({ broker, messageBytesMax: 1024 ** 2, httpHosts: [], log: pino({ level: 'silent' }) })
  onTestFinished(async () => {
    server.server.closeAllConnections()
    await server.close()
  })
  return await server.listen({ host: '127.0.0.1', port: 0 })
}

const hostOf = (url: string) => url.replace('http://', '')

describe('HTTP at a broker that does not lead', () => {
  test('is answered by the leader, bodies and refusals too', async () => {
    const leader = await startBroker()
    const member = await startMember(() => `127.0.0.1:${leader.http!.port}`)
    const published = await fetch(`${member}/pub`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: member },
      body: JSON.stringify({ topic: 'A', body: 'hello' }),
    })
    expect(await published.json()).toMatchObject({ durability: 'synced' })
    const page = await fetch(`${member}/messages?topic=A`)
    expect(await page.json()).toMatchObject({ message_list: [{ value: 'hello' }] })
    const refused = await fetch(`${member}/messages?topic=%23`)
    expect([refused.status, await refused.json()]).toMatchObject([400, { code: 'INVALID_TOPIC' }])
    expect(await (await fetch(`${member}/v1/cluster`)).json()).toMatchObject({ id: leader.broker.id })
    expect(await (await fetch(`${member}/v1/cluster?local=true`)).json()).toMatchObject({ id: 'member' })
    expect((await fetch(`${member}/readyz`)).status).toBe(200)
  })

  test('streams events as they come, and ends the stream of the leader with that of the client', async () => {
    const leader = await startBroker()
    const member = await startMember(() => `127.0.0.1:${leader.http!.port}`)
    const stop = new AbortController()
    const stream = await fetch(`${member}/v1/subscribe?topic=A&from=earliest`, { signal: stop.signal })
    const events = stream.body!.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]()
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ topic: 'A', body: 'live' })
    expect((await fetch(`${member}/pub`, { method: 'POST', headers, body })).status).toBe(200)
    let text = ''
    while (!text.includes('live')) text += (await events.next()).value
    expect(leader.broker.stats['subscriptions']).toBe(1)
    stop.abort()
    await expect.poll(() => leader.broker.stats['subscriptions']).toBe(0)
  })

  test('is 503 with Retry-After between two brokers that each think the other leads', async () => {
    let other = ''
    const one = await startMember(() => other)
    other = hostOf(await startMember(() => hostOf(one)))
    const answer = await fetch(`${one}/v1/topics`)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(await answer.json()).toMatchObject({ code: 'NO_LEADER' })
    expect((await fetch(`${one}/v1/cluster`)).status).toBe(200)
  })

  test('is 503 with Retry-After when the leader cannot be reached, and the cluster is shown all the same', async () => {
    const gone = createServer()
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
    const where = `127.0.0.1:${(gone.address() as AddressInfo).port}`
    await new Promise((resolve) => gone.close(resolve))
    const member = await startMember(() => where)
    const answer = await fetch(`${member}/pub`, { method: 'POST', body: '{}' })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await (await fetch(`${member}/v1/cluster`)).json()).toMatchObject({ id: 'member' })
  })

  test('says that nobody knows whether it was done when the leader is lost before it answers', async () => {
    const broken = createServer((request) => request.socket.destroy())
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void broken.close())
    const member = await startMember(() => `127.0.0.1:${(broken.address() as AddressInfo).port}`)
    const answer = await fetch(`${member}/pub`, { method: 'POST', body: '{}' })
    expect([answer.status, await answer.json()]).toMatchObject([503, { code: 'UNAVAILABLE' }])
  })
})
