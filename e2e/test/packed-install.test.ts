import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { finish, type PackageName, type PackedFiles, PackedProject, packAll } from './support/packed-project.js'

const JAVASCRIPT = `
import { connect, GomqError } from '@gomq/client'

const mq = await connect(process.argv[2], { clientId: 'packed-js', compression: 'deflate' })
const ack = await mq.publish('packed/js', { id: 7, tags: ['a', 'b'] }, { qos: 1, key: 'c42', headers: { trace: 'x' } })
await mq.publish('packed/js', 'as text', { qos: 1 })
await mq.publish('packed/js', new Uint8Array([0, 255]), { qos: 1 })
const subscription = await mq.subscribe(['packed/#'], { qos: 1, from: 'earliest' })
const seen = []
for await (const message of subscription) {
  seen.push({ topic: message.topic, key: message.key, value: message.value, trace: message.headers?.trace })
  await message.ack()
  if (seen.length === 3) break
}
let refused
try {
  await mq.publish('packed/#', 'x', { qos: 1 })
} catch (error) {
  refused = error instanceof GomqError ? error.code : String(error)
}
await mq.close()
console.log(JSON.stringify({ durability: ack.durability, offset: typeof ack.offset, seen, refused }))
`

const TYPESCRIPT = `
import { connect, GomqError } from '@gomq/client'

export async function run(url: string, signal: AbortSignal): Promise<number> {
  await using mq = await connect(url, { clientId: 'packed-ts', compression: 'deflate' })
  const ack = await mq.publish('packed/ts', { id: 7 }, { qos: 1, key: 'c42', retain: false, headers: { trace: 'x' }, signal })
  const durability: 'replicated' | 'synced' | 'written' = ack.durability
  const offset: number = ack.offset
  const subscription = await mq.subscribe(['packed/#'], { qos: 1, from: 'earliest' })
  for await (const message of subscription) {
    const topic: string = message.topic
    const bytes: Uint8Array = message.bytes
    const value: unknown = message.value
    await message.ack()
    if (topic !== '' && value !== undefined && durability === 'synced') return offset + bytes.byteLength
  }
  throw new GomqError('CLOSED', 'the subscription ended')
}

// @ts-expect-error: QoS 3 does not exist
export const wrong = async (mq: Awaited<ReturnType<typeof connect>>) => mq.publish('a', 'b', { qos: 3 })
`

let directory: string
let packed: Map<PackageName, PackedFiles>
/** A program among the development dependencies. */
const binary = (name: string) => fileURLToPath(new URL(`../../node_modules/.bin/${name}`, import.meta.url))
const tarballs = (...names: PackageName[]) => names.map((name) => packed.get(name)!.tarball)

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gomq-tarballs-'))
  packed = await packAll(directory)
}, 120_000)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('packed tarballs', () => {
  test('hold what is needed and nothing else', () => {
    expect(packed.size).toBe(7)
    for (const [name, { paths }] of packed) {
      const missing = ['package.json', 'README.md', 'LICENSE'].filter((path) => !paths.includes(path))
      expect(missing, name).toEqual([])
      const strange = paths.filter(
        (path) =>
          !/^(package\.json|README\.md|LICENSE|dist\/program\/LICENCES\.txt|(bin|dist|src)\/.*\.(js|ts|map))$/.test(
            path,
          ),
      )
      expect(strange, name).toEqual([])
      expect(
        paths.some((path) => path.startsWith('dist/')),
        name,
      ).toBe(true)
      // The libraries in the broker's program ask for their licences to come along.
      expect(paths.includes('dist/program/LICENCES.txt'), name).toBe(paths.includes('bin/gomq.js'))
    }
  })

  test('publint and attw find nothing wrong with them', async () => {
    for (const [name, { tarball }] of packed) {
      const linted = await finish(binary('publint'), ['--strict', tarball], directory)
      expect(linted, name).toMatchObject({ code: 0, stdout: expect.stringContaining('All good!') })
      const typed = await finish(binary('attw'), [tarball, '--profile', 'esm-only', '--no-definitely-typed'], directory)
      expect(typed.code, `${name}: ${typed.stdout}`).toBe(0)
    }
  })

  test('the client works from plain JavaScript and strict TypeScript in a project of somebody else', async () => {
    await using broker = await BrokerProcess.start()
    using project = new PackedProject()
    await project.install(tarballs('@gomq/client', '@gomq/protocol'))

    project.write('main.mjs', JAVASCRIPT)
    const ran = await project.run(process.execPath, ['main.mjs', broker.url])
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(ran.stdout)).toEqual({
      durability: 'synced',
      offset: 'number',
      seen: [
        { topic: 'packed/js', key: 'c42', value: { id: 7, tags: ['a', 'b'] }, trace: 'x' },
        { topic: 'packed/js', key: null, value: 'as text' },
        { topic: 'packed/js', key: null, value: { 0: 0, 1: 255 } },
      ],
      refused: 'INVALID_TOPIC',
    })

    project.write('main.ts', TYPESCRIPT)
    expect(await project.compile(project.nodeTypes)).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await project.compile({ lib: ['es2023', 'esnext.disposable', 'dom'] })).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    })
  })

  test('gomqctl runs through npx against a broker that was installed from its tarball', async () => {
    using server = new PackedProject()
    await server.install(tarballs('@gomq/broker', '@gomq/cluster', '@gomq/engine', '@gomq/storage', '@gomq/protocol'))
    await using broker = await BrokerProcess.start({
      main: join(server.directory, 'node_modules', '@gomq', 'broker', 'bin', 'gomq.js'),
    })

    using project = new PackedProject()
    await project.install(tarballs('gomqctl', '@gomq/client', '@gomq/storage', '@gomq/protocol'))
    const gomqctl = (...args: string[]) =>
      project.run('npx', ['--no-install', 'gomqctl', '--connect', broker.tcp, ...args])

    expect(
      await gomqctl('--topic', 'A', '--qos', '1', '--retain', '1', 'pub', 'hello', 'world', 'everyone'),
    ).toMatchObject({ code: 0 })
    const read = await gomqctl('--topic', 'A', 'sub', '--from', 'earliest', '--count', '1')
    expect(read).toMatchObject({ code: 0, stdout: expect.stringContaining('hello') })
    expect(await gomqctl('log', 'verify', broker.dataDirectory, '--live')).toMatchObject({ code: 0, stdout: '' })
    expect(await gomqctl('--topic', 'A/#', 'pub', 'x')).toMatchObject({ code: 64, stdout: '' })
  })
})
