import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { gomqctl, startSub } from './support/gomqctl.js'

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
})

afterAll(() => broker[Symbol.asyncDispose]())

const words = (line: string) => line.split(' ').filter((word) => word !== '')

test('the will of a gomqctl that is killed is published and kept; that of one that ends well is not', async () => {
  const will = '--will-topic gone --will-message bye --will-qos 1 --will-retain 1'
  expect(await gomqctl(broker, words(`-t A sub -W 100ms ${will}`))).toMatchObject({ code: 0 })
  expect(await gomqctl(broker, words('-t gone list'))).toMatchObject({ stdout: '' })
  using lost = await startSub(broker, words(`-t A ${will}`))
  lost.signal('SIGKILL')
  await lost.finished
  const seen = await gomqctl(broker, words('-t gone sub -n 1 -W 10s --json'))
  expect(JSON.parse(seen.stdout)).toMatchObject({ topic: 'gone', value: 'bye' })
})

test('with --no-clean-session a subscription without a name goes on where it was left; list leaves it alone', async () => {
  const keep = { env: { GOMQ_CLIENT_ID: 'keeper', GOMQ_CLEAN_SESSION: '0', GOMQ_QOS: '1' } }
  expect(await gomqctl(broker, words('-t B sub -W 100ms'), keep)).toMatchObject({ code: 0, stdout: '' })
  await gomqctl(broker, words('-t B -q 1 pub one two three'))
  expect(await gomqctl(broker, words('-t B sub -n 1'), keep)).toMatchObject({ stdout: 'one\n' })
  expect((await gomqctl(broker, words('-t B list'), keep)).stdout.split('\n')).toHaveLength(4)
  expect(await gomqctl(broker, words('-t B sub -n 2'), keep)).toMatchObject({ stdout: 'two\nthree\n' })
})

test('a session that is not kept, or forgotten, begins anew', async () => {
  const named = '-t C -q 1 --client-id forgetful sub --name n -W 200ms'
  for (const forget of ['--session-expiry 0', '--clean-session 1']) {
    await gomqctl(broker, words(`${named} ${forget}`))
    await gomqctl(broker, words('-t C -q 1 pub x'))
    expect(await gomqctl(broker, words(`${named} ${forget}`)), forget).toMatchObject({ code: 0, stdout: '' })
  }
})

test('a password may come from a file; a broker without users takes anybody', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gomqctl-'))
  try {
    const file = join(directory, 'password')
    writeFileSync(file, 'secret\n')
    expect(await gomqctl(broker, ['--username', 'u', '--password-file', file, 'list'])).toMatchObject({ code: 0 })
    expect(await gomqctl(broker, ['--username', 'u', '--password-file', `${file}x`, 'list'])).toMatchObject({
      code: 64,
      stderr: expect.stringMatching(/^gomqctl: the password file '.*' cannot be read: /),
    })
  } finally {
    rmSync(directory, { recursive: true })
  }
})
