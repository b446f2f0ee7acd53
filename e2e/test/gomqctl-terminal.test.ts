import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { gomqctl } from './support/gomqctl.js'

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
  await gomqctl(broker, ['-t', 'A/x', '-q', '1', '-k', 'c42', 'pub', '\u001b[31mred\u0007', 'y'.repeat(500)])
})

afterAll(() => broker[Symbol.asyncDispose]())

const onTerminal = (...args: string[]) => gomqctl(broker, args, { isTerminal: true })

describe('on a terminal', () => {
  test('list is a table that fits', async () => {
    const { code, stdout } = await onTerminal('-t', 'A/#', 'list')
    expect(code).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toMatch(/^OFFSET {2}TIME +TOPIC {2}KEY {2}VALUE$/)
    expect(lines[1]).toMatch(/ A\/x {4}c42 {2}\\u001b\[31mred\\u0007$/)
    expect(lines[2]).toMatch(/ y+…$/)
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(100)
  })

  test('an empty list says so, and stays empty in a pipe', async () => {
    expect(await onTerminal('-t', 'nobody', 'list')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'gomqctl: nothing is stored in nobody\n',
    })
    expect(await gomqctl(broker, ['-t', 'nobody', 'list'])).toMatchObject({ code: 0, stdout: '', stderr: '' })
  })

  test('sub says what it listens to and shows messages without touching the terminal', async () => {
    const { stdout, stderr } = await onTerminal('-t', 'A/#', 'sub', '--from', 'earliest', '-n', '1')
    expect(stdout).toBe('A/x  \\u001b[31mred\\u0007\n')
    expect(stderr).toBe(`gomqctl: listening to A/# at ${broker.tcp}; Ctrl-C ends it\n`)
    const piped = await gomqctl(broker, ['-t', 'A/#', 'sub', '--from', 'earliest', '-n', '1'])
    expect(piped).toMatchObject({ stdout: '\u001b[31mred\u0007\n', stderr: '' })
  })

  test('a format that is asked for is given', async () => {
    const { stdout } = await onTerminal('-t', 'A/#', 'sub', '--from', 'earliest', '-n', '1', '--format', 'text')
    expect(stdout).toBe('\u001b[31mred\u0007\n')
  })

  test('who publishes with QoS 0 is told that nothing is stored; who stores or retains is not', async () => {
    const hint = 'gomqctl: QoS 0: nothing is stored, only who is subscribed now gets it; --qos 1 stores it\n'
    expect((await onTerminal('-t', 'B', 'pub', 'x')).stderr).toBe(`${hint}1 message sent\n`)
    expect((await onTerminal('-t', 'B', '--quiet', 'pub', 'x')).stderr).toBe('')
    expect((await onTerminal('-t', 'B', '-r', '1', 'pub', 'x')).stderr).toBe('1 message sent\n')
    expect((await onTerminal('-t', 'B', '-q', '1', 'pub', 'x')).stderr).toMatch(/^1 message stored, /)
    expect((await gomqctl(broker, ['-t', 'B', 'pub', 'x'])).stderr).toBe('1 message sent\n')
  })
})
