import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { GomqctlProcess, gomqctl } from './support/gomqctl.js'

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
})

afterAll(() => broker[Symbol.asyncDispose]())

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `${from + i}\n`).join('')

describe('a durable subscription', () => {
  test('Ctrl-C acknowledges what was printed, no more and no less: run after run, every message once', async () => {
    const count = 200_000
    const durable = ['-t', 'durable', '--client-id', 'reader', 'sub', '--name', 'n', '--from', 'earliest']
    await gomqctl(broker, ['-t', 'durable', '-q', '1', 'pub'], { input: numbers(0, count) })
    let seen = ''
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGINT'] as const) {
      using running = new GomqctlProcess(broker, durable)
      await running.printed(({ stdout }) => stdout.length > 0)
      running.signal(signal)
      const { code, stdout, stderr } = await running.finished
      expect({ code, stderr }).toEqual({ code: signal === 'SIGINT' ? 130 : 143, stderr: '' })
      seen += stdout
    }
    expect(seen.length, 'the interruptions came before the end').toBeLessThan(numbers(0, count).length)
    const rest = await gomqctl(broker, [...durable, '--exit-at-end'])
    expect(rest).toMatchObject({ code: 0, stderr: '' })
    seen += rest.stdout
    // Not toBe: a difference of megabytes is nothing to print.
    expect(seen === numbers(0, count)).toBe(true)
  })

  test('--count acknowledges as many as it prints', async () => {
    await gomqctl(broker, ['-t', 'counted', '-q', '1', 'pub', ...numbers(0, 10).trim().split('\n')])
    const next = ['-t', 'counted', '--client-id', 'c', 'sub', '--name', 'n', '--from', 'earliest', '-W', '10s', '-n']
    expect((await gomqctl(broker, [...next, '3'])).stdout).toBe(numbers(0, 3))
    expect((await gomqctl(broker, [...next, '1'])).stdout).toBe(numbers(3, 4))
    expect((await gomqctl(broker, [...next, '6'])).stdout).toBe(numbers(4, 10))
  })
})

describe('a broker that is killed and comes back', () => {
  test('loses and doubles nothing between a pub and a sub that keep running', async () => {
    using sub = new GomqctlProcess(broker, ['-t', 'bridge', '--client-id', 'b', 'sub', '--name', 'n'], {
      isTerminal: true,
    })
    await sub.printed(({ stderr }) => stderr.includes('listening'))
    using pub = new GomqctlProcess(broker, ['-t', 'bridge', '-q', '1', 'pub'])
    pub.type(numbers(0, 500))
    await sub.printed(({ stdout }) => stdout.endsWith('499\n'))
    await broker.kill()
    pub.type(numbers(500, 1000))
    await sub.printed(({ stderr }) => stderr.includes('the connection is lost'))
    await broker.restart()
    pub.end(numbers(1000, 1500))
    expect(await pub.finished).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(
        /the connection is lost.*trying to connect again\n.*connected again\n1500 messages stored/s,
      ),
    })
    await sub.printed(({ stdout }) => stdout.endsWith('1499\n'))
    sub.signal('SIGINT')
    const { code, stdout, stderr } = await sub.finished
    expect(code).toBe(130)
    expect(stdout).toBe(numbers(0, 1500))
    expect(stderr).toContain('connected again')
  })
})

describe('a broker that hangs', () => {
  test('does not hold a sub that is interrupted', async () => {
    await using hung = await BrokerProcess.start()
    using sub = new GomqctlProcess(hung, ['-t', 'A', 'sub'], { isTerminal: true })
    await sub.printed(({ stderr }) => stderr.includes('listening'))
    process.kill(hung.pid, 'SIGSTOP')
    const startedMs = Date.now()
    sub.signal('SIGINT')
    expect((await sub.finished).code).toBe(130)
    // The client alone would wait 10 seconds for the answer.
    expect(Date.now() - startedMs).toBeLessThan(9000)
  })
})

describe('a pub that is interrupted', () => {
  test('Ctrl-C stores what was read, says how much, and ends with 130', async () => {
    using pub = new GomqctlProcess(broker, ['-t', 'stopped', '-q', '1', 'pub'])
    using sub = new GomqctlProcess(broker, ['-t', 'stopped', 'sub', '--from', 'earliest'])
    pub.type('one\ntwo\nno whole li')
    await sub.printed(({ stdout }) => stdout === 'one\ntwo\n')
    pub.signal('SIGINT')
    expect(await pub.finished).toMatchObject({
      code: 130,
      stderr: expect.stringMatching(/^2 messages stored, the last at offset \d+\n$/),
    })
    expect((await gomqctl(broker, ['-t', 'stopped', 'sub', '--from', 'earliest', '--exit-at-end'])).stdout).toBe(
      'one\ntwo\n',
    )
  })

  test('a second Ctrl-C does not wait for a broker that is gone', async () => {
    const gone = await BrokerProcess.start()
    using pub = new GomqctlProcess(gone, ['-t', 'A', '-q', '1', 'pub'])
    using sub = new GomqctlProcess(gone, ['-t', 'A', 'sub', '--from', 'earliest'])
    pub.type('one\n')
    await sub.printed(({ stdout }) => stdout === 'one\n')
    await gone[Symbol.asyncDispose]()
    await pub.printed(({ stderr }) => stderr.includes('the connection is lost'))
    pub.type('two\n')
    await new Promise((resolve) => setTimeout(resolve, 200))
    pub.signal('SIGINT')
    await new Promise((resolve) => setTimeout(resolve, 200))
    pub.signal('SIGINT')
    expect((await pub.finished).code).toBe(130)
  })
})
