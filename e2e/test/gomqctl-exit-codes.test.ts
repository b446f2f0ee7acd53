import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { GomqctlProcess, gomqctl } from './support/gomqctl.js'

let broker: BrokerProcess
let http: Server

beforeAll(async () => {
  broker = await BrokerProcess.start()
  http = createServer((_request, response) => response.end('no broker'))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  await gomqctl(broker, ['-t', 'A', '-q', '1', 'pub', '--lines'], { input: 'x\n'.repeat(50_000) })
})

afterAll(async () => {
  http.close()
  await broker[Symbol.asyncDispose]()
})

const words = (line: string) => line.split(' ').filter((word) => word !== '')

describe('exit codes', () => {
  test.each([
    [0, '-t A -q 1 pub x', /^1 message stored/],
    [0, '-t A --quiet -q 1 pub x', /^$/],
    [0, '-t A sub --timeout 100ms', /^$/],
    [64, '', /^Usage: gomqctl/],
    [64, 'pub x', /^gomqctl: no topic is given; name one with --topic or GOMQ_TOPIC\n$/],
    [64, 'sub', /'#' for all/],
    [64, '-t A pub --lines x', /--lines reads messages from standard input, and words are given too/],
    [64, '-t A pub - x', /'-' stands for all of standard input and other words are given too/],
    [64, '-t A sub --name bills', /name that with --client-id/],
    [64, '-t A/# pub x', /^gomqctl: topic name "A\/#" holds a wildcard/],
    [64, '-t A/#/b sub', /^gomqctl: option .* is invalid\. topic filter "A\/#\/b": '#' must be the whole last level/],
    [65, '-t A sub --from 999999999', /is outside the log/],
    [75, '-t nobody sub -n 1 -W 200ms', /^gomqctl: 0 of 1 messages came in time\n$/],
  ])('%i: gomqctl %s', async (code, line, said) => {
    const result = await gomqctl(broker, words(line))
    expect(result.stderr).toMatch(said)
    expect(result.code).toBe(code)
    if (code !== 0) expect(result.stdout).toBe('')
  })

  test('69: no broker listens, and every command but version says what to do', async () => {
    const nobody = { tcp: '127.0.0.1:1' }
    for (const line of ['-t A pub x', '-t A sub', 'list'])
      expect(await gomqctl(nobody, words(line)), line).toMatchObject({
        code: 69,
        stdout: '',
        stderr:
          'gomqctl: no broker listens at 127.0.0.1:1; start one there (npx gomq) or name another with --connect host:port\n',
      })
    expect(await gomqctl(nobody, ['version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^gomqctl \S+\ngomq \(no broker at 127.0.0.1:1\)\n$/),
    })
  })

  test('65: what answers is no broker', async () => {
    const tcp = `127.0.0.1:${(http.address() as AddressInfo).port}`
    expect(await gomqctl({ tcp }, ['list'])).toMatchObject({
      code: 65,
      stderr: expect.stringContaining('does not speak GoMQ'),
    })
  })

  test('75: another client takes over the client id', async () => {
    using first = new GomqctlProcess(broker, ['-t', 'B', '--client-id', 'twin', 'sub'], { isTerminal: true })
    await first.printed(({ stderr }) => stderr.includes('listening'))
    await gomqctl(broker, ['-t', 'B', '--client-id', 'twin', 'pub', 'x'])
    const { code, stderr } = await first.finished
    expect(code).toBe(75)
    expect(stderr).toMatch(/\ngomqctl: [^\n]*client/)
  })
})

describe('a reader that goes', () => {
  test.each(['-t A list', '-t A sub --from earliest'])('gomqctl %s | head -1 ends quietly and well', async (line) => {
    using running = new GomqctlProcess(broker, words(line))
    await running.printed(({ stdout }) => stdout.includes('\n'))
    running.closeOutput()
    expect(await running.finished).toMatchObject({ code: 0, stderr: '' })
  })

  test.each(['help', 'version', '-t A --json pub x'])('gomqctl %s | true ends quietly', async (line) => {
    using running = new GomqctlProcess(broker, [...words(line), '--quiet'])
    running.closeOutput()
    running.end()
    expect(await running.finished).toMatchObject({ code: 0, stderr: '' })
  })
})
