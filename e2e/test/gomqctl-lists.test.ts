import { type AddressInfo, createServer } from 'node:net'
import { connect } from '@gomq/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { type GomqctlOptions, gomqctl } from './support/gomqctl.js'

let broker: BrokerProcess

const ask = (args: readonly string[], options: GomqctlOptions = {}) =>
  gomqctl(broker, args, { ...options, env: { GOMQ_HTTP: broker.httpUrl } })

/** host:port where nobody listens. */
async function freeAddress(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `127.0.0.1:${port}`
}

beforeAll(async () => {
  broker = await BrokerProcess.start()
  await using mq = await connect(broker.url)
  const topics = Array.from({ length: 2345 }, (_, i) => `t/${String(i).padStart(4, '0')}`)
  await Promise.all(topics.map((topic) => mq.publish(topic, 'x', { retain: true })))
  await ask(['-t', 't/#', '--client-id', 'reader', 'sub', '--name', 'jobs', '-W', '100ms'])
  await ask(['-t', 't/1', '-q', '1', 'pub', 'x'])
})

afterAll(() => broker[Symbol.asyncDispose]())

test('topics prints all pages of the list, each topic once', async () => {
  const { code, stdout } = await ask(['topics', '--json'])
  expect(code).toBe(0)
  const entries = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { topic: string; retainedOffset: number })
  const retained = entries.filter(({ retainedOffset }) => retainedOffset !== null).map(({ topic }) => topic)
  expect(retained).toHaveLength(2345)
  expect(retained).toEqual([...new Set(retained)].sort())
  expect((await ask(['topics'])).stdout).toContain('t/0007\t')
})

test('sessions and subscriptions show what the broker keeps', async () => {
  expect(JSON.parse((await ask(['sessions', '--json'])).stdout)).toMatchObject({
    clientId: 'reader',
    connected: false,
    subscriptions: 1,
    expirySec: 604_800,
  })
  expect(JSON.parse((await ask(['subscriptions', '--json'])).stdout)).toMatchObject({
    clientId: 'reader',
    name: 'jobs',
    filters: ['t/#'],
    lag: expect.any(Number),
  })
  const { stdout } = await ask(['subscriptions'], { isTerminal: true })
  expect(stdout).toMatch(/^CLIENT +NAME +FILTERS +QOS +POSITION +LAG +UNACKED +ATTACHED\nreader +jobs +t\/# /)
})

test('a broker that is not there ends with 69, its native port with 65, and each says what to do', async () => {
  const nobody = await freeAddress()
  for (const name of ['topics', 'sessions', 'subscriptions'])
    expect(await ask([name, '--http', nobody])).toMatchObject({
      code: 69,
      stdout: '',
      stderr: `gomqctl: no broker answers HTTP at ${nobody}; start one there (npx gomq) or name another with --http host:port\n`,
    })
  expect(await ask(['topics', '--http', broker.tcp])).toMatchObject({
    code: 65,
    stdout: '',
    stderr: expect.stringContaining("is not a broker's HTTP"),
  })
})

test('policy sets, shows and removes how long messages are kept', async () => {
  expect(await ask(['policy', 'set', 'm/#', '--max-age', '7d', '--max-bytes', '1GiB'])).toMatchObject({
    code: 0,
    stdout: '',
    stderr: 'the policy of m/# holds\n',
  })
  expect((await ask(['policy', 'get', 'm/#'])).stdout).toBe('m/#\t7d\t1GiB\t\tno\tno\t\t0\n')
  expect(JSON.parse((await ask(['policy', 'list', '--json'])).stdout)).toMatchObject({
    filter: 'm/#',
    maxAgeMs: 604_800_000,
  })
  expect((await ask(['policy', 'remove', 'm/#'])).code).toBe(0)
  expect(await ask(['policy', 'remove', 'm/#'])).toMatchObject({ code: 65, stderr: expect.stringContaining('m/#') })
})
