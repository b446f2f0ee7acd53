import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { gomqctl } from './support/gomqctl.js'

let broker: BrokerProcess
let configHome: string

beforeAll(async () => {
  broker = await BrokerProcess.start()
  configHome = mkdtempSync(join(tmpdir(), 'gomqctl-'))
})

afterAll(async () => {
  rmSync(configHome, { recursive: true })
  await broker[Symbol.asyncDispose]()
})

/** Without an address in the environment, so that the context's counts. */
const ask = (...args: string[]) =>
  gomqctl(broker, args, { env: { XDG_CONFIG_HOME: configHome, GOMQ_CONNECT: undefined } })

test('a context is added, used, shown without its password, and removed; a damaged file ends with 78', async () => {
  const file = join(configHome, 'gomqctl', 'contexts.json')
  expect(
    await ask(
      'context',
      'add',
      'here',
      '-c',
      broker.tcp,
      '--username',
      'u',
      '--password',
      'secret',
      '-t',
      'A',
      '-q',
      '1',
    ),
  ).toMatchObject({ code: 0, stdout: '', stderr: expect.stringMatching(/^context 'here' is kept/) })
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(await ask('--context', 'here', 'pub', 'x')).toMatchObject({ code: 0, stderr: expect.stringMatching(/stored/) })
  expect(await ask('context', 'use', 'here')).toMatchObject({ code: 0 })
  expect((await ask('list')).stdout).toMatch(/\tA\t\tx\n$/)
  for (const args of [
    ['context', 'show'],
    ['context', 'show', 'here', '--json'],
    ['context', 'list'],
  ]) {
    const { code, stdout, stderr } = await ask(...args)
    expect(code).toBe(0)
    expect(stdout).toContain(broker.tcp)
    expect(stdout + stderr).not.toContain('secret')
  }
  const kept = readFileSync(file)
  writeFileSync(file, kept.subarray(0, -9))
  for (const args of [['list'], ['context', 'list'], ['context', 'add', 'b', '-q', '1']]) {
    const { code, stdout, stderr } = await ask(...args)
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
    expect(stderr).toMatch(/^gomqctl: the contexts in .* are damaged: it is not JSON; mend or remove the file\n$/)
  }
  writeFileSync(file, kept)
  expect(await ask('context', 'remove', 'here')).toMatchObject({
    code: 0,
    stderr: "context 'here' is removed; no context is in use\n",
  })
})
