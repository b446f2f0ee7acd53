import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { checkContextName, contextFile, readContexts, writeContexts } from '../src/context-file.js'

let directory: string
let file: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gomqctl-'))
  file = join(directory, 'gomqctl', 'contexts.json')
  onTestFinished(() => rmSync(directory, { recursive: true }))
})

const none = { current: undefined, byName: new Map() }
const two = {
  current: 'prod',
  byName: new Map<string, Record<string, string | string[]>>([
    ['test', { topic: ['a', 'b'] }],
    ['prod', { connect: 'a:1', password: 'secret' }],
  ]),
}

test('contexts are kept where the XDG specification says', () => {
  expect(contextFile({ XDG_CONFIG_HOME: '/x' })).toBe('/x/gomqctl/contexts.json')
  for (const environment of [{}, { XDG_CONFIG_HOME: '' }, { XDG_CONFIG_HOME: 'relative' }])
    expect(contextFile(environment)).toBe(join(homedir(), '.config/gomqctl/contexts.json'))
})

test('what is written is read again; without a file there are no contexts', () => {
  expect(readContexts(file)).toEqual(none)
  for (const contexts of [two, none]) {
    writeContexts(file, contexts)
    expect(readContexts(file)).toEqual(contexts)
  }
})

test('the file and its folder are for their owner alone, also when the file was open to others', () => {
  writeContexts(file, two)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(statSync(dirname(file)).mode & 0o777).toBe(0o700)
  rmSync(file)
  writeFileSync(file, readFileSync('/dev/null'), { mode: 0o644 })
  writeContexts(file, two)
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('the file is replaced as a whole, and nothing else is left behind', () => {
  writeContexts(file, two)
  const { ino } = statSync(file)
  writeContexts(file, none)
  expect(statSync(file).ino).not.toBe(ino)
  expect(readdirSync(dirname(file))).toEqual(['contexts.json'])
})

test('a link to the file stays a link', () => {
  const target = join(directory, 'target.json')
  writeContexts(target, none)
  const link = join(directory, 'link.json')
  symlinkSync(target, link)
  writeContexts(link, two)
  expect(readContexts(target)).toEqual(two)
})

test('a place that cannot be read or written is named', () => {
  const refused = expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(directory) })
  expect(() => readContexts(directory)).toThrow(refused)
  writeFileSync(join(directory, 'gomqctl'), '')
  expect(readContexts(file)).toEqual(none)
  expect(() => writeContexts(file, two)).toThrow(refused)
})

describe('a damaged file is refused, never taken for none', () => {
  test.each([
    ['', /it is not JSON/],
    ['{"version":1,"contexts":{"a":{"password":"secret"', /it is not JSON/],
    ['secret', /it is not JSON/],
    ['[]', /it holds no object/],
    ['{}', /its version is not 1/],
    ['{"version":2,"contexts":{}}', /its version is not 1/],
    ['{"version":1}', /it holds no 'contexts'/],
    ['{"version":1,"contexts":[]}', /it holds no 'contexts'/],
    ['{"version":1,"contexts":{"a":1}}', /context 'a' holds no object/],
    ['{"version":1,"contexts":{"a b":{}}}', /a name that none can have/],
    ['{"version":1,"contexts":{"__proto__":{}}}', /a name that none can have/],
    ['{"version":1,"contexts":{"a":{"qos":1}}}', /context 'a': "qos" is no text/],
    ['{"version":1,"contexts":{"a":{"topic":[1]}}}', /context 'a': "topic" is no text/],
    ['{"version":1,"contexts":{},"current":"a"}', /'current' names none/],
    ['{"version":1,"contexts":{},"current":null}', /'current' names none/],
  ])('%s', (text, said) => {
    writeContexts(file, none)
    writeFileSync(file, text)
    const message = expect.stringMatching(said)
    expect(() => readContexts(file)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message }))
    expect(() => readContexts(file)).not.toThrow(/secret/)
    expect(() => readContexts(file)).toThrow(`${file} are damaged`)
  })
})

test('a name is short and plain', () => {
  for (const name of ['a', 'prod-1', '1.2_x', 'x'.repeat(64)]) checkContextName(name)
  for (const name of ['', '-a', '.a', 'a b', 'a/b', 'ü', 'x'.repeat(65), '__proto__'])
    expect(() => checkContextName(name), name).toThrow('is no name of a context')
})
