import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { GomqctlProcess, gomqctl } from './support/gomqctl.js'

const MIB = 1024 * 1024
let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start({ args: ['--message-bytes-max', '16MiB'] })
})

afterAll(() => broker[Symbol.asyncDispose]())

/** Bytes that repeat nowhere near, so that a piece that is lost or doubled shows. */
function noise(bytes: number): Buffer {
  const words = new Uint32Array(Math.ceil(bytes / 4))
  let x = 1
  for (let i = 0; i < words.length; i++) words[i] = x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0
  return Buffer.from(words.buffer, 0, bytes)
}

describe('a broker that takes messages of 16 MiB', () => {
  const largest = noise(16 * MIB)

  test('stores one of exactly 16 MiB and gives it back', async () => {
    const published = await gomqctl(broker, ['-t', 'large', '-q', '1', 'pub', '-'], { input: largest })
    expect(published).toMatchObject({ code: 0, stderr: expect.stringContaining('1 message stored') })
    const read = await gomqctl(broker, ['-t', 'large', 'sub', '--from', 'earliest', '-n', '1', '-F', 'raw'])
    expect(read.bytes.equals(largest)).toBe(true)
  })

  test('refuses a byte more with the two numbers and 65, and stores what came before it', async () => {
    const input = Buffer.concat([Buffer.from('before\n'), Buffer.alloc(16 * MIB + 1, 'x'), Buffer.from('\nafter\n')])
    const { code, stdout, stderr } = await gomqctl(broker, ['-t', 'over', '-q', '1', 'pub', '--lines'], { input })
    expect({ code, stdout }).toEqual({ code: 65, stdout: '' })
    expect(stderr).toMatch(/^gomqctl: message 2: the message has 16777217 bytes; the broker takes at most 16777216; /)
    expect(stderr).toContain('--message-bytes-max (1 message is stored)\n')
    expect((await gomqctl(broker, ['-t', 'over', 'sub', '--from', 'earliest', '--exit-at-end'])).stdout).toBe(
      'before\n',
    )
  })

  test('goes on serving others while it refuses one', async () => {
    using pub = new GomqctlProcess(broker, ['-t', 'others', '-q', '1', 'pub'])
    pub.type('first\n')
    const { code } = await gomqctl(broker, ['-t', 'others', '-q', '1', 'pub', '-'], { input: Buffer.alloc(17 * MIB) })
    expect(code).toBe(65)
    pub.end('second\n')
    expect(await pub.finished).toMatchObject({ code: 0, stderr: expect.stringContaining('2 messages stored') })
    const read = await gomqctl(broker, ['-t', 'others', 'sub', '--from', 'earliest', '--exit-at-end'])
    expect(read.stdout).toBe('first\nsecond\n')
  })
})

test('input without an end of line is given up before it fills the memory', async () => {
  using pub = new GomqctlProcess(broker, ['-t', 'endless', '-q', '1', 'pub'])
  pub.end(Buffer.alloc(80 * MIB))
  expect(await pub.finished).toMatchObject({
    code: 65,
    stderr: expect.stringContaining('a line has more than 67108864 bytes'),
  })
})
