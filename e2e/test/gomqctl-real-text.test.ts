import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { gomqctl } from './support/gomqctl.js'

const modules = new URL('../../node_modules/.pnpm/', import.meta.url)

/** The declarations of the DOM, which every installation of the compiler brings. */
function realText(): Buffer {
  for (const folder of readdirSync(modules)) {
    const [, name] = /^(@typescript\+typescript-.*|typescript)@/.exec(folder) ?? []
    if (name === undefined) continue
    const file = new URL(`${folder}/node_modules/${name.replace('+', '/')}/lib/lib.dom.d.ts`, modules)
    if (existsSync(file)) return readFileSync(file)
  }
  throw new Error(`there is no lib.dom.d.ts below ${fileURLToPath(modules)}`)
}

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
})

afterAll(() => broker[Symbol.asyncDispose]())

describe('a text of tens of thousands of lines', () => {
  const text = realText()
  const lines = text.toString().split('\n').length - 1
  const read = ['-t', 'text', 'sub', '--from', 'earliest', '--exit-at-end']

  test('goes in line by line and comes out byte for byte, in order, once each, also after kill -9', async () => {
    expect(lines).toBeGreaterThan(20_000)
    const published = await gomqctl(broker, ['-t', 'text', '-q', '1', 'pub', '--lines'], { input: text })
    expect(published).toMatchObject({ code: 0, stderr: expect.stringMatching(`^${lines} messages stored`) })
    expect((await gomqctl(broker, read)).bytes.equals(text)).toBe(true)
    await broker.kill()
    await broker.restart()
    const replayed = await gomqctl(broker, read)
    expect({ code: replayed.code, stderr: replayed.stderr }).toEqual({ code: 0, stderr: '' })
    expect(replayed.bytes.equals(text)).toBe(true)
  })

  test('a sub with QoS 1 and a count reads the same', async () => {
    const args = ['-t', 'text', '-q', '1', 'sub', '--from', 'earliest', '--count', String(lines)]
    expect((await gomqctl(broker, args)).bytes.equals(text)).toBe(true)
  })

  test('list has a line for each message, with offsets that grow', async () => {
    const { stdout } = await gomqctl(broker, ['-t', 'text', 'list'])
    const offsets = stdout
      .trimEnd()
      .split('\n')
      .map((line) => Number(line.split('\t')[0]))
    expect(offsets).toHaveLength(lines)
    expect(offsets.every((offset, i) => i === 0 || offset > offsets[i - 1]!)).toBe(true)
  })
})

describe('payloads', () => {
  const everyByte = Buffer.from(Array.from({ length: 1024 }, (_, i) => (i * 7) & 0xff))

  test.each([
    ['of every byte value', everyByte],
    ['without a byte', Buffer.alloc(0)],
    ['of UTF-8', Buffer.from('\ufeffgrüße, 你好, 👩‍👩‍👧\n')],
    ['that are no UTF-8', Buffer.from([0xc3, 0x28, 0xed, 0xa0, 0x80])],
  ])('%s come out as they went in', async (name, payload) => {
    const topic = `payloads/${name}`
    expect(await gomqctl(broker, ['-t', topic, '-q', '1', 'pub', '-'], { input: payload })).toMatchObject({ code: 0 })
    const read = await gomqctl(broker, ['-t', topic, 'sub', '--from', 'earliest', '-n', '1', '--format', 'raw'])
    expect(read.bytes.equals(payload)).toBe(true)
  })
})

describe('topics', () => {
  const topics = [
    'grüße/你好/👩‍👩‍👧',
    'with spaces and "quotes"',
    '/',
    'a//b',
    '../etc/passwd',
    '-dash',
    'x'.repeat(2000),
  ]

  test('of any characters are topics like any other', async () => {
    for (const topic of topics)
      expect(await gomqctl(broker, [`--topic=${topic}`, '-q', '1', 'pub', '--', topic]), topic).toMatchObject({
        code: 0,
      })
    const { stdout } = await gomqctl(broker, [...topics.map((topic) => `--topic=${topic}`), '--json', 'list'])
    const listed = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    expect(listed).toMatchObject(topics.map((topic) => ({ topic, value: topic })))
  })
})
