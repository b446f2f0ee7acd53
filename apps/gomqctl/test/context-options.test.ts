import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { type ContextSettings, writeContexts } from '../src/context-file.js'
import { applyContext, noContext, settingsFrom } from '../src/context-options.js'
import { addGlobalOptions } from '../src/global-options.js'

afterEach(() => vi.unstubAllEnvs())

function programWith(...args: string[]): Command {
  const program = new Command().exitOverride()
  addGlobalOptions(program)
  return program.parse(args, { from: 'user' })
}

function fileWith(settings: ContextSettings): string {
  const directory = mkdtempSync(join(tmpdir(), 'gomqctl-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'contexts.json')
  writeContexts(file, { current: 'c', byName: new Map([['c', settings]]) })
  return file
}

const EVERYTHING = [
  ...['--connect', 'a:1,gomqs://b:2', '--http', 'https://c', '--topic', 'a b', '--topic', 'c,d', '--qos', '2'],
  ...['--retain', '1', '--client-id', 'me', '--username', 'u', '--password', 'p', '--keep-alive', '0'],
  ...['--clean-session', '1', '--session-expiry', '7d', '--will-topic', 'w', '--will-message', '', '--will-qos', '0'],
  ...['--will-retain', '0', '--compression', 'deflate', '--json', '--quiet', '--context', 'c'],
]

test('what a context keeps means the same when it is used', () => {
  const given = programWith(...EVERYTHING)
  const settings = settingsFrom(given)
  expect(Object.keys(settings)).toHaveLength(16)
  const used = programWith('--context', 'c', '--json', '--quiet')
  applyContext(used, fileWith(settings))
  expect(used.opts()).toEqual(given.opts())
})

test('a password file is found from every directory; what is not given is not kept', () => {
  expect(settingsFrom(programWith('--password-file', 'x/y', '--no-clean-session'))).toEqual({
    'password-file': resolve('x/y'),
    'clean-session': '0',
  })
})

test.each([
  [{ nonsense: 'x' }, '"nonsense" is no option that a context can hold'],
  [{ context: 'c' }, '"context" is no option that a context can hold'],
  [{ 'no-clean-session': '' }, '"no-clean-session" is no option'],
  [{ json: '1' }, '"json" is no option'],
  [{ topic: 'A' }, '"topic" is no list'],
  [{ qos: ['1'] }, '"qos" is a list'],
  [{ connect: 'a b' }, '"connect" is not valid. '],
] as [ContextSettings, string][])('a context with %j is refused', (settings, said) => {
  const refused = expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(said) })
  expect(() => applyContext(programWith(), fileWith(settings))).toThrow(refused)
})

test('an option counts before the environment, and the environment before a context in use, not before one that is named', () => {
  vi.stubEnv('GOMQ_USERNAME', 'environment')
  const file = fileWith({ username: 'context', qos: '2' })
  const usernameOf = (...args: string[]) => {
    const program = programWith(...args)
    applyContext(program, file)
    return program.getOptionValue('username')
  }
  expect(usernameOf()).toBe('environment')
  expect(usernameOf('--context', 'c')).toBe('context')
  expect(usernameOf('--context', 'c', '--username', 'option')).toBe('option')
})

test('user and password of a context go to its own broker only', () => {
  const file = fileWith({ connect: 'a:1', username: 'u', password: 'p', qos: '2' })
  const given = (...args: string[]) => {
    const program = programWith(...args)
    applyContext(program, file)
    const { username, password, qos } = program.opts()
    return { username, password, qos }
  }
  expect(given()).toEqual({ username: 'u', password: 'p', qos: 2 })
  expect(given('--connect', 'a:1')).toEqual({ username: 'u', password: 'p', qos: 2 })
  expect(given('--connect', 'evil:1')).toEqual({ username: undefined, password: undefined, qos: 2 })
  vi.stubEnv('GOMQ_CONNECT', 'evil:1')
  expect(given()).toEqual({ username: undefined, password: undefined, qos: 2 })
  expect(given('--context', 'c')).toEqual({ username: 'u', password: 'p', qos: 2 })
})

test('a context that names no broker is for every broker', () => {
  const program = programWith('--connect', 'a:1')
  applyContext(program, fileWith({ username: 'u' }))
  expect(program.getOptionValue('username')).toBe('u')
})

test('who names a context that is not there is told which there are', () => {
  expect(() => applyContext(programWith('--context', 'x'), fileWith({ qos: '1' }))).toThrow(
    'there is no context "x"; there are: c',
  )
  expect(noContext('x', []).message).toContain('gomqctl context add')
})
