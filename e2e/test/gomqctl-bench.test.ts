import { connect } from '@gomq/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { ClusterProcesses } from './support/cluster-processes.js'
import { etcdMissing } from './support/etcd-process.js'
import { GomqctlProcess, gomqctl } from './support/gomqctl.js'

/** What the tests look at of a report. */
interface Report {
  readonly bench: string
  readonly acknowledgement: { readonly level: string; readonly brokers: number | null }
  readonly settings: { readonly topic: string }
  readonly published: { readonly messages: number; readonly handedOver: number; readonly acked: number }
  readonly received: {
    readonly messages: number
    readonly consumers: readonly { received: number; missing: number | null; doubled: number; foreign: number }[]
  }
  readonly latencyFrom: string
  readonly ackLatencyMs: { readonly count: number; readonly p50: number; readonly max: number }
  readonly deliveryLatencyMs: { readonly count: number }
  readonly latenessMs: { readonly count: number }
  readonly written: { readonly topic: string; readonly messages: number }
  readonly removedSubscriptions: number
  readonly reconnects: number
  readonly isInterrupted: boolean
  readonly failure: { readonly code: string } | null
}

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
})

afterAll(() => broker[Symbol.asyncDispose]())

const words = (line: string) => line.split(' ')
const reportOf = (stdout: string) => JSON.parse(stdout) as Report

/** Runs a bench that has to end well. */
async function bench(line: string): Promise<Report> {
  const { code, stdout, stderr } = await gomqctl(broker, ['--json', ...words(line)])
  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' })
  return reportOf(stdout)
}

/** What the broker still keeps for clients of benches. */
async function keptForBenches(): Promise<string> {
  const env = { GOMQ_HTTP: broker.httpUrl }
  const lists = await Promise.all(['sessions', 'subscriptions'].map((list) => gomqctl(broker, [list], { env })))
  return lists.map(({ stdout }) => stdout).join('')
}

async function storedIn(filter: string): Promise<number> {
  const { stdout } = await gomqctl(broker, ['-t', filter, 'list'])
  return stdout.split('\n').length - 1
}

describe('bench pub', () => {
  test('publishes exactly so many messages, to a topic of its own, and measures what is no warm-up', async () => {
    const report = await bench('bench pub -n 1000 --producers 3 --topics 2 --warmup 0.5 --size 30')
    expect(report.acknowledgement).toMatchObject({ level: 'synced', brokers: 1 })
    expect(report.published).toMatchObject({ handedOver: 1000, acked: 1000, messages: 501 })
    expect(report.ackLatencyMs.count).toBe(501)
    expect(report.ackLatencyMs.max).toBeGreaterThanOrEqual(report.ackLatencyMs.p50)
    expect(report.latencyFrom).toBe('publish')
    expect(report.written).toMatchObject({ topic: `${report.settings.topic}/+`, messages: 1000 })
    expect(await storedIn(report.written.topic)).toBe(1000)
    expect(await storedIn(`${report.settings.topic}/1`)).toBeGreaterThan(0)
  })

  test('says that nobody acknowledges QoS 0, and that nothing of it stays', async () => {
    const report = await bench('bench pub -n 100 -q 0')
    expect(report.acknowledgement).toMatchObject({ level: 'none', brokers: null })
    expect([report.written.messages, await storedIn(report.written.topic)]).toEqual([0, 0])
  })

  test('ends at the first failure, says what it is, and prints what there is', async () => {
    const { code, stdout, stderr } = await gomqctl(broker, words('bench pub -n 3 --size 5MiB --json'))
    expect(code).toBe(65)
    expect(stderr).toMatch(/^gomqctl: the message has 5242880 bytes/)
    expect(reportOf(stdout)).toMatchObject({ published: { acked: 0 }, failure: { code: 'MESSAGE_TOO_LARGE' } })
  })
})

describe('bench sub', () => {
  test('reads all that a topic holds, at each consumer', async () => {
    await gomqctl(broker, words('-t stored/a -q 1 pub x -n 500'))
    const report = await bench('-t stored/# bench sub --from earliest --consumers 2')
    expect(report.received.messages).toBe(1000)
    expect(report.received.consumers.map(({ received }) => received)).toEqual([500, 500])
  })

  test('counts what comes, until there is enough', async () => {
    using running = new GomqctlProcess(broker, words('-t live bench sub -n 200 --warmup 0.5 --interval 100ms --json'))
    // The first line says that the subscription stands.
    await running.printed(({ stderr }) => stderr.includes('received 0/s'))
    await gomqctl(broker, words('-t live -q 1 pub x -n 300'))
    const { code, stdout } = await running.finished
    expect(code).toBe(0)
    expect(reportOf(stdout).received).toMatchObject({ messages: 100, consumers: [{ received: 200 }] })
  })
})

describe('bench e2e', () => {
  test('every message comes exactly once at every consumer, and nothing is kept for them', async () => {
    const report = await bench('bench e2e -n 2000 --producers 3 --consumers 2 --topics 4')
    const each = { received: 2000, missing: 0, doubled: 0, foreign: 0 }
    expect(report.received.consumers).toMatchObject([each, each])
    expect(report).toMatchObject({ removedSubscriptions: 2, written: { messages: 2003 }, isInterrupted: false })
    expect(await storedIn(report.written.topic)).toBe(2003)
    expect(await keptForBenches()).toBe('')
  })

  test.each([0, 2])('QoS %i', async (qos) => {
    const report = await bench(`bench e2e -n 300 -q ${qos}`)
    expect(report.received.consumers).toMatchObject([{ received: 300, missing: 0, doubled: 0 }])
  })

  test('a message that comes twice ends with 65', async () => {
    const mq = await connect(`gomq://${broker.tcp}`)
    const subscription = await mq.subscribe('twice')
    const running = gomqctl(broker, words('-t twice bench e2e -n 2000 --rate 400 --json'))
    const { value } = await subscription.next()
    await mq.publish('twice', value!.bytes.slice())
    await mq.publish('twice', 'of somebody else')
    const { code, stdout, stderr } = await running
    await mq.close()
    expect({ code, stderr }).toEqual({
      code: 65,
      stderr: 'gomqctl: not every message came exactly once: 0 missing, 1 doubled\n',
    })
    expect(reportOf(stdout).received.consumers).toMatchObject([{ received: 2000, missing: 0, doubled: 1, foreign: 1 }])
  })

  test('a broker that is killed and comes back is counted, and loses and doubles nothing', async () => {
    await using killed = await BrokerProcess.start()
    using running = new GomqctlProcess(killed, words('bench e2e -n 3000 --rate 500 --interval 50ms --json'))
    await running.printed(({ stderr }) => /acked [1-9].*received [1-9]/.test(stderr))
    await killed.kill()
    await running.printed(({ stderr }) => stderr.includes('the connection is lost'))
    await killed.restart()
    const { code, stdout, stderr } = await running.finished
    expect(code, stderr).toBe(0)
    const report = reportOf(stdout)
    expect(report.received.consumers).toMatchObject([{ received: 3000, missing: 0, doubled: 0 }])
    expect(report.reconnects).toBeGreaterThan(0)
  })
})

describe('bench latency', () => {
  test('keeps its rate, and counts from when a message was to be sent', async () => {
    const report = await bench('bench latency -n 400 --rate 2000')
    expect(report).toMatchObject({
      latencyFrom: 'schedule',
      ackLatencyMs: { count: 360 },
      deliveryLatencyMs: { count: 360 },
      latenessMs: { count: 360 },
      removedSubscriptions: 0,
    })
  })

  test('is tables and a plot on a terminal, and lines of names and values in a pipe', async () => {
    const onTerminal = await gomqctl(broker, words('bench latency -n 100'), { isTerminal: true })
    expect(onTerminal.code).toBe(0)
    expect(onTerminal.stdout).toMatch(
      /^BENCH +LATENCY\n.*\nLATENCY MS +P50 .*\nLATENCY to ack, [^\n]* logarithmic\np50 /s,
    )
    expect(onTerminal.stderr).toContain("gomqctl policy set 'bench/#'")
    const piped = await gomqctl(broker, words('bench latency -n 100 --precise'))
    expect(piped).toMatchObject({ code: 0, stderr: '' })
    const rows = piped.stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'))
    expect(new Set(rows.map(({ length }) => length))).toEqual(new Set([2]))
    const facts = Object.fromEntries(rows) as Record<string, string>
    expect(facts).toMatchObject({ bench: 'latency', QoS: '1', payload: '100 B', missing: '0', doubled: '0' })
    expect(facts['acknowledged']).toMatch(/^synced: .*fsync/)
  })
})

test('in a cluster an acknowledgement is replicated, and how many brokers have it comes from their HTTP', async (context) => {
  if (etcdMissing !== undefined) context.skip(etcdMissing)
  await using cluster = await ClusterProcesses.start()
  const leader = await cluster.leader()
  const run = (httpUrl: string) => gomqctl(leader, ['--http', httpUrl, ...words('bench e2e -n 200 --json')])
  const member = cluster.brokers.find((each) => each !== leader)!
  expect(reportOf((await run(member.httpUrl)).stdout)).toMatchObject({
    acknowledgement: { level: 'replicated', brokers: 3 },
    received: { consumers: [{ received: 200, missing: 0, doubled: 0 }] },
  })
  // Another broker's HTTP knows nothing of this cluster.
  expect(reportOf((await run(broker.httpUrl)).stdout).acknowledgement).toMatchObject({ brokers: null })
}, 60_000)

describe('Ctrl-C', () => {
  test('prints what was measured so far, removes the subscriptions, and ends with 130', async () => {
    using running = new GomqctlProcess(broker, words('bench e2e --duration 10m --warmup 0 --interval 50ms --json'))
    await running.printed(({ stderr }) => /acked [1-9].*received [1-9]/.test(stderr))
    running.signal('SIGINT')
    const { code, stdout } = await running.finished
    expect(code).toBe(130)
    const report = reportOf(stdout)
    expect(report).toMatchObject({ isInterrupted: true, failure: null, removedSubscriptions: 1 })
    expect(report.published.acked).toBe(report.published.handedOver)
    expect(report.published.messages).toBeGreaterThan(0)
    expect(report.received.consumers[0]!.doubled).toBe(0)
    expect(await keptForBenches()).toBe('')
  })

  test('ends a bench whose broker hangs, and calls nothing missing that was not waited for', async () => {
    await using hung = await BrokerProcess.start()
    using running = new GomqctlProcess(hung, words('bench e2e --duration 10m --warmup 0 --interval 50ms --json'))
    await running.printed(({ stderr }) => /acked [1-9]/.test(stderr))
    process.kill(hung.pid, 'SIGSTOP')
    running.signal('SIGINT')
    const { code, stdout, stderr } = await running.finished
    expect(code).toBe(130)
    expect(stderr).toContain('could not be removed; it goes by itself within an hour')
    expect(reportOf(stdout).received.consumers).toMatchObject([{ missing: null }])
  })

  test('ends bench sub, too', async () => {
    using running = new GomqctlProcess(broker, words('-t nobody bench sub --duration 10m --interval 50ms --json'))
    await running.printed(({ stderr }) => stderr.includes('received 0/s'))
    running.signal('SIGTERM')
    const { code, stdout } = await running.finished
    expect(code).toBe(143)
    expect(reportOf(stdout)).toMatchObject({ bench: 'sub', isInterrupted: true, received: { messages: 0 } })
  })
})

test.each([
  ['bench', /^Usage: gomqctl bench/],
  ['bench all', /unknown command 'all'/],
  ['bench pub --consumers 2', /unknown option '--consumers'/],
  ['bench pub --rate -1', /option '--rate <n>' argument/],
  ['bench pub -n 5 --duration 1s', /--messages and --duration both say when the bench ends/],
  ['bench pub -r 1', /a bench keeps no last values/],
  ['-t A/# bench pub', /holds a wildcard/],
  ['bench e2e --size 10', /needs 24 bytes at least/],
  ['bench latency --rate 0', /steady --rate, above 0/],
  ['bench sub', /no topic is given to read/],
])('64: gomqctl %s', async (line, said) => {
  const { code, stdout, stderr } = await gomqctl(broker, words(line))
  expect(stderr).toMatch(said)
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
})

test('69: no broker listens', async () => {
  for (const line of ['bench pub', 'bench e2e', '-t A bench sub'])
    expect(await gomqctl({ tcp: '127.0.0.1:1' }, words(line)), line).toMatchObject({
      code: 69,
      stdout: '',
      stderr: expect.stringMatching(/^gomqctl: no broker listens at 127\.0\.0\.1:1; [^\n]+\n$/),
    })
})
