import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { GomqctlProcess, gomqctl, startSub } from './support/gomqctl.js'

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
})

afterAll(() => broker[Symbol.asyncDispose]())

const call = (...args: string[]) => gomqctl(broker, args)

describe('the first four lines', () => {
  test('a publish with QoS 1 and retain is stored, listed and replayed, also after kill -9 and a restart', async () => {
    const address = ['--connect', broker.tcp]
    const publish = ['--topic', 'A', ...address, '--qos', '1', '--retain', '1', 'pub', 'hello', 'world', 'everyone']
    expect(await call(...publish)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/^3 messages stored, the last at offset \d+\n$/),
    })

    const listed = await call('--topic', 'A', ...address, 'list')
    expect(listed).toMatchObject({ code: 0, stderr: '' })
    expect(listed.stdout).toMatch(/^(\d+\t\d{4}-\d\d-\d\dT[\d:.]+Z\tA\t\t(hello|world|everyone)\n){3}$/)
    const read = ['--topic', 'A', ...address, 'sub', '--from', 'earliest', '--count', '3']
    expect(await call(...read)).toMatchObject({ code: 0, stdout: 'hello\nworld\neveryone\n', stderr: '' })

    await broker.kill()
    await broker.restart()
    expect((await call('--topic', 'A', ...address, 'list')).stdout).toBe(listed.stdout)
    expect(await call(...read)).toMatchObject({ code: 0, stdout: 'hello\nworld\neveryone\n' })
  })

  test('options stand before or after the command, also those of the command', async () => {
    await call('pub', 'x', '--qos', '1', '--topic', 'anywhere')
    for (const line of [
      '--topic anywhere --from earliest --count 1 sub',
      'sub --count 1 --from earliest --topic anywhere',
      '--from earliest sub --topic anywhere -n 1',
    ])
      expect(await call(...line.split(' ')), line).toMatchObject({ code: 0, stdout: 'x\n' })
  })

  test('version names gomqctl and the broker', async () => {
    expect(await call('version')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^gomqctl \S+\ngomq \d\S+\n$/),
    })
    expect(JSON.parse((await call('--json', 'version')).stdout)).toEqual({
      gomqctl: expect.any(String),
      gomq: expect.any(String),
    })
  })

  test('help is a result', async () => {
    expect(await call('help')).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^Usage: gomqctl/) })
  })
})

describe('two terminals', () => {
  test('what one publishes the other prints as it comes, stored or not', async () => {
    using sub = await startSub(broker, ['-t', 'live/+'])
    await call('-t', 'live/a', 'pub', 'not stored')
    await sub.printed(({ stdout }) => stdout === 'live/a  not stored\n')
    await call('-t', 'live/b', '-q', '1', 'pub', 'stored')
    await sub.printed(({ stdout }) => stdout === 'live/a  not stored\nlive/b  stored\n')
    sub.signal('SIGINT')
    expect((await sub.finished).code).toBe(130)
    expect((await call('-t', 'live/#', 'list')).stdout).toMatch(/^\S+\t\S+\tlive\/b\t\tstored\n$/)
  })

  test('each line that is typed is published when it is typed', async () => {
    using sub = await startSub(broker, ['-t', 'typed'])
    using pub = new GomqctlProcess(broker, ['-t', 'typed', 'pub'])
    pub.type('first\n')
    await sub.printed(({ stdout }) => stdout === 'first\n')
    pub.type('second\nthi')
    await sub.printed(({ stdout }) => stdout === 'first\nsecond\n')
    pub.end('rd')
    expect(await pub.finished).toMatchObject({ code: 0, stderr: '3 messages sent\n' })
    await sub.printed(({ stdout }) => stdout === 'first\nsecond\nthird\n')
  })

  test('sub ends after --count with messages that come live', async () => {
    const sub = new GomqctlProcess(broker, ['-t', 'counted', 'sub', '--count', '2'], { isTerminal: true })
    await sub.printed(({ stderr }) => stderr.includes('listening to'))
    await call('-t', 'counted', 'pub', 'a', 'b', 'c')
    expect(await sub.finished).toMatchObject({ code: 0, stdout: 'a\nb\n' })
  })
})

describe('standard input', () => {
  test.each([
    ['lines without --lines', [], 'a\nb\n', 'a\nb\n'],
    ['lines with --lines', ['--lines'], 'a\n\nb', 'a\n\nb\n'],
    ['all of it as one message with -', ['-'], 'a\nb\n', 'a\nb\n\n'],
    ['nothing, as one empty message, with -', ['-'], '', '\n'],
  ])('%s', async (name, args, input, printed) => {
    const topic = `stdin/${name}`
    const { code, stderr } = await gomqctl(broker, ['-t', topic, '-q', '1', 'pub', ...args], { input })
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('stored') })
    expect((await call('-t', topic, 'sub', '--from', 'earliest', '--exit-at-end')).stdout).toBe(printed)
  })

  test('without a line nothing is published, and that is said', async () => {
    expect(await gomqctl(broker, ['-t', 'nothing', '-q', '1', 'pub', '--lines'])).toMatchObject({
      code: 0,
      stderr: '0 messages stored\n',
    })
    expect(await call('-t', 'nothing', 'list')).toMatchObject({ code: 0, stdout: '' })
  })
})

describe('--json', () => {
  test('every line of every command is an object', async () => {
    const pub = await call('-t', 'json/ü', '-q', '1', '-k', 'c42', '-H', 'trace=x', '--json', 'pub', 'ü "\\" \n😀')
    expect(JSON.parse(pub.stdout)).toEqual({ topic: 'json/ü', messages: 1, lastOffset: expect.any(Number) })
    await gomqctl(broker, ['-t', 'json/bin', '-q', '1', 'pub', '-'], { input: Uint8Array.from([0, 255, 10]) })
    const expected = [
      { topic: 'json/ü', value: 'ü "\\" \n😀', key: 'c42', headers: { trace: 'x' } },
      { topic: 'json/bin', valueBase64: 'AP8K' },
    ]
    for (const command of [['list'], ['sub', '--from', 'earliest', '--exit-at-end']]) {
      const { stdout } = await call('-t', 'json/#', '--json', ...command)
      const lines = stdout.trimEnd().split('\n')
      expect(lines.map((line) => JSON.parse(line) as object)).toEqual(
        expected.map((each) => ({ ...each, offset: expect.any(Number), timestamp: expect.any(String) })),
      )
    }
  })
})
