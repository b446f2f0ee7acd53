import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { GomqctlProcess, gomqctl } from './support/gomqctl.js'

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
})

afterAll(() => broker[Symbol.asyncDispose]())

const stored = async (topic: string) => (await gomqctl(broker, ['-t', topic, 'list', '--json'])).stdout.trimEnd()

test('a template is published as often as asked for, each message with its number', async () => {
  const result = await gomqctl(broker, ['-t', 'A', '-q', '1', 'pub', '-n', '2500', '--template', '{{n}}'])
  expect(result).toMatchObject({ code: 0, stderr: expect.stringMatching(/^2500 messages stored/) })
  const values = (await stored('A')).split('\n').map((line) => (JSON.parse(line) as { value: string }).value)
  expect(values).toEqual(Array.from({ length: 2500 }, (_, i) => String(i + 1)))
})

test('standard input as a whole is repeated, and lines are templates', async () => {
  await gomqctl(broker, ['-t', 'B', '-q', '1', 'pub', '-', '-n', '2'], { input: 'two\nlines' })
  await gomqctl(broker, ['-t', 'B', '-q', '1', 'pub', '--template'], { input: 'a{{n}}\nb{{n}}\n' })
  const raw = await gomqctl(broker, ['-t', 'B', 'sub', '-f', 'earliest', '--exit-at-end'])
  expect(raw.stdout).toBe('two\nlines\ntwo\nlines\na1\nb2\n')
})

test('Ctrl-C ends a long repetition in order: what it says is stored is stored', async () => {
  using running = new GomqctlProcess(
    broker,
    ['-t', 'C', '-q', '1', 'pub', '-n', '1000000', '--interval', '1ms', '--template', '{{n}}'],
    {},
  )
  running.end()
  while (!(await stored('C')).includes('"10"'));
  running.signal('SIGINT')
  const { code, stderr } = await running.finished
  expect(code).toBe(130)
  const count = Number(/^(\d+) messages stored/.exec(stderr)![1])
  expect((await stored('C')).split('\n')).toHaveLength(count)
})

test('a message with a short time to live goes, one with a long one stays', async () => {
  await gomqctl(broker, ['-t', 'D', '-q', '1', 'pub', '--ttl', '1ms', 'short'])
  await gomqctl(broker, ['-t', 'D', '-q', '1', 'pub', '--ttl', '36500d', 'long'])
  expect(JSON.parse(await stored('D'))).toMatchObject({ value: 'long' })
})

test.each([
  [['--template', '{{x}}'], /"\{\{x\}\}" is no placeholder/, ''],
  [['-n', '2'], /--count repeats words/, ''],
  [['--template'], /"\{\{x\}\}" is no placeholder.*\(1 message is stored\)/, 'ok\n{{x}}\n'],
])('pub %j ends with 64', async (args, said, input) => {
  const result = await gomqctl(broker, ['-t', 'E', '-q', '1', 'pub', ...args], { input })
  expect(result).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(said) })
})
