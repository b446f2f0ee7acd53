import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { descendantsOf, pathOf } from '../src/command-tree.js'
import { contextFile, writeContexts } from '../src/context-file.js'
import { explain } from '../src/exit.js'
import { type Actions, buildProgram, ownVersion, parse } from '../src/program.js'

/** What a command line comes to. */
interface Run {
  /** Name of the command and what it was given. */
  readonly calls: readonly (readonly unknown[])[]
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

async function run(args: readonly string[]): Promise<Run> {
  const calls: unknown[][] = []
  const record =
    (name: string) =>
    async (...given: unknown[]) => {
      calls.push([name, ...given])
    }
  const names = ['pub', 'sub', 'list', 'lists', 'policy', 'cluster', 'bench', 'version', 'context', 'log', 'completion']
  const actions = Object.fromEntries(names.map((name) => [name, record(name)])) as unknown as Actions
  let stdout = ''
  let stderr = ''
  const program = buildProgram(actions)
  for (const command of [program, ...descendantsOf(program)])
    command.configureOutput({
      writeOut: (text) => (stdout += text),
      writeErr: (text) => (stderr += text),
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
    })
  let exitCode = 0
  try {
    await parse(program, args)
  } catch (error) {
    exitCode = explain(error, { write: (text) => (stderr += text) })
  }
  return { calls, exitCode, stdout, stderr }
}

const words = (line: string) => line.split(' ').filter((word) => word !== '')
const defaults = {
  connect: ['gomq://127.0.0.1:9000'],
  http: 'http://127.0.0.1:8000',
  topic: [],
  qos: 0,
  retain: false,
  json: false,
  quiet: false,
}
let saved: NodeJS.ProcessEnv
let configHome: string

beforeEach(() => {
  saved = { ...process.env }
  configHome = mkdtempSync(join(tmpdir(), 'gomqctl-'))
  for (const name of Object.keys(process.env)) if (name.startsWith('GOMQ_')) delete process.env[name]
  process.env['XDG_CONFIG_HOME'] = configHome
})

afterEach(() => {
  rmSync(configHome, { recursive: true })
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, saved)
})

describe('pub', () => {
  const globals = { ...defaults, connect: ['gomq://127.0.0.1:9000'], topic: ['A'], qos: 1, retain: true }

  test.each([
    '--topic A --connect 127.0.0.1:9000 --qos 1 --retain 1 pub hello world everyone',
    'pub hello world everyone --topic A --connect 127.0.0.1:9000 --qos 1 --retain 1',
    '--topic A pub --qos 1 hello world --retain 1 everyone --connect 127.0.0.1:9000',
    'pub --topic A --qos 1 --retain 1 hello world everyone',
    '-t A -q 1 -r 1 pub hello world everyone',
    '-tA -q1 -r1 publish hello world everyone',
    '--topic=A --qos=1 --retain=true pub -- hello world everyone',
  ])('%s publishes three messages, stored and retained', async (line) => {
    const { calls, exitCode } = await run(words(line))
    expect(exitCode).toBe(0)
    expect(calls).toEqual([['pub', ['hello', 'world', 'everyone'], {}, globals]])
  })

  test('QoS and retain are 0 unless they are given', async () => {
    expect((await run(['-t', 'A', 'pub', 'x'])).calls).toEqual([['pub', ['x'], {}, { ...defaults, topic: ['A'] }]])
  })

  test.each([
    ['-k c42 -H a=1 -t A pub x', ['x'], { key: 'c42', header: { a: '1' } }],
    ['-t A pub x -H a=1 --key c42 -H b=2', ['x'], { key: 'c42', header: { a: '1', b: '2' } }],
    ['-t A pub --lines', [], { lines: true }],
    ['--lines -t A pub', [], { lines: true }],
    ['-t A pub -', ['-'], {}],
    ['-n 3 --interval 1.5s --template -t A pub {{n}}', ['{{n}}'], { count: 3, interval: 1500, template: true }],
    ['--ttl 60d -t A pub x', ['x'], { ttl: 60 * 86_400_000 }],
    ['-t A pub -- -1 --qos', ['-1', '--qos'], {}],
    ['-t A pub sub list', ['sub', 'list'], {}],
  ])('%s is understood', async (line, messages, options) => {
    const { calls } = await run(words(line))
    expect(calls).toHaveLength(1)
    expect(calls[0]![1]).toEqual(messages)
    expect({ ...(calls[0]![2] as object) }).toMatchObject(options)
  })

  test('an empty word is an empty message', async () => {
    expect((await run(['-t', 'A', 'pub', ''])).calls[0]![1]).toEqual([''])
  })
})

describe('sub', () => {
  test.each([
    ['-t A sub', { from: 'new' }],
    ['--from earliest --count 3 -t A sub', { from: 'earliest', count: 3 }],
    ['-t A sub -f 42 -n 3 -W 10s', { from: { offset: 42 }, count: 3, timeout: 10_000 }],
    ['-t A subscribe -F raw --exit-at-end', { from: 'new', format: 'raw', exitAtEnd: true }],
    ['-t A sub --name bills', { from: 'new', name: 'bills' }],
  ])('%s is understood', async (line, options) => {
    expect((await run(words(line))).calls).toEqual([['sub', options, { ...defaults, topic: ['A'] }]])
  })

  test('several topics are several filters', async () => {
    expect((await run(words('-t a/# sub -t b'))).calls).toEqual([
      ['sub', { from: 'new' }, { ...defaults, topic: ['a/#', 'b'] }],
    ])
  })
})

describe('other commands', () => {
  test.each([
    ['policy list', [['lists', 'policies', defaults]]],
    ['policy ls', [['lists', 'policies', defaults]]],
    ['policy get a/#', [['policy', { action: 'get', filter: 'a/#' }, defaults]]],
    ['policy rm a/+', [['policy', { action: 'remove', filter: 'a/+' }, defaults]]],
    ['policy set a', [['policy', { action: 'set', filter: 'a', options: {} }, defaults]]],
    [
      'policy --max-age 7d set a/# --max-bytes 1GiB --max-count 5 --acked --compact --tombstone 48h --dry-run',
      [
        [
          'policy',
          {
            action: 'set',
            filter: 'a/#',
            options: {
              maxAge: 604_800_000,
              maxBytes: 1_073_741_824,
              maxCount: 5,
              acked: true,
              compact: true,
              tombstone: 172_800_000,
              dryRun: true,
            },
          },
          defaults,
        ],
      ],
    ],
  ])('%s', async (line, calls) => {
    expect((await run(words(line))).calls).toEqual(calls)
  })

  const wrong = 'set a/#/b, set, get, set a --max-age 0, set a --max-bytes 1GB, set a --tombstone -1, nothing'
  test.each(wrong.split(', '))('policy %s is a usage error', async (line) => {
    expect(await run(words(`policy ${line}`))).toMatchObject({ calls: [], exitCode: 64 })
  })

  test.each(['list', 'ls', '--json list'])('%s lists', async (line) => {
    expect((await run(words(line))).calls).toEqual([['list', { ...defaults, json: line.includes('json') }]])
  })

  test.each(['topics', 'sessions', 'subscriptions'])('%s is one of the lists of the broker', async (name) => {
    expect((await run([name])).calls).toEqual([['lists', name, defaults]])
    const elsewhere = { ...defaults, http: 'http://broker:81' }
    expect((await run(['--http', 'broker:81', name])).calls).toEqual([['lists', name, elsewhere]])
    process.env['GOMQ_HTTP'] = 'broker:81'
    expect((await run([name])).calls).toEqual([['lists', name, elsewhere]])
    expect((await run(['cluster'])).calls, 'the cluster is asked there too').toEqual([['cluster', elsewhere]])
  })

  test('completion is told the shell', async () => {
    expect((await run(words('completion bash'))).calls[0]!.slice(0, 2)).toEqual(['completion', 'bash'])
  })

  test('version is told its own version', async () => {
    expect((await run(['version'])).calls).toEqual([['version', defaults, ownVersion()]])
  })

  test.each(['--version', '-V'])('%s prints the version of gomqctl', async (line) => {
    expect(await run([line])).toMatchObject({ exitCode: 0, stdout: `gomqctl ${ownVersion()}\n`, stderr: '' })
  })

  test('the environment fills in what is not given', async () => {
    process.env['GOMQ_CONNECT'] = 'broker:1'
    process.env['GOMQ_TOPIC'] = 'fromEnvironment'
    process.env['GOMQ_CLIENT_ID'] = 'me'
    const globals = { ...defaults, connect: ['gomq://broker:1'], topic: ['fromEnvironment'], clientId: 'me' }
    expect((await run(['list'])).calls).toEqual([['list', globals]])
    expect((await run(['list', '-t', 'A'])).calls).toEqual([['list', { ...globals, topic: ['A'] }]])
  })
})

describe('connection options', () => {
  test.each([
    ['--username', 'GOMQ_USERNAME', 'username', 'bill', 'ann', 'bill', 'ann'],
    ['--password', 'GOMQ_PASSWORD', 'password', 'secret', 'other', 'secret', 'other'],
    ['--password-file', 'GOMQ_PASSWORD_FILE', 'passwordFile', 'a.txt', 'b.txt', 'a.txt', 'b.txt'],
    ['--client-id', 'GOMQ_CLIENT_ID', 'clientId', 'me', 'you', 'me', 'you'],
    ['--keep-alive', 'GOMQ_KEEP_ALIVE', 'keepAlive', '5', '7', 5, 7],
    ['--clean-session', 'GOMQ_CLEAN_SESSION', 'cleanSession', '1', '0', true, false],
    ['--session-expiry', 'GOMQ_SESSION_EXPIRY', 'sessionExpiry', '1h', '9', 3600, 9],
    ['--compression', 'GOMQ_COMPRESSION', 'compression', 'deflate', 'none', 'deflate', 'none'],
    ['--will-topic', 'GOMQ_WILL_TOPIC', 'willTopic', 'gone', 'lost', 'gone', 'lost'],
    ['--will-message', 'GOMQ_WILL_MESSAGE', 'willMessage', 'bye', 'off', 'bye', 'off'],
    ['--will-qos', 'GOMQ_WILL_QOS', 'willQos', '2', '0', 2, 0],
    ['--will-retain', 'GOMQ_WILL_RETAIN', 'willRetain', '1', '0', true, false],
    ['--qos', 'GOMQ_QOS', 'qos', '2', '1', 2, 1],
    ['--retain', 'GOMQ_RETAIN', 'retain', '1', '0', true, false],
  ])('%s counts before %s, and both are in the help', async (flag, variable, name, first, second, given, fallback) => {
    expect((await run(['help'])).stdout.replace(/\s+/g, ' ')).toMatch(new RegExp(`${flag} <.*env: ${variable}\\)`))
    process.env[variable] = second
    expect((await run(['list'])).calls).toEqual([['list', { ...defaults, [name]: fallback }]])
    expect((await run([flag, first, 'list'])).calls).toEqual([['list', { ...defaults, [name]: given }]])
    expect((await run(['list', flag, first])).calls).toEqual([['list', { ...defaults, [name]: given }]])
  })

  test('the context in use counts before a default, the environment before it, and an option before both', async () => {
    const file = contextFile()
    writeContexts(file, {
      current: 'prod',
      byName: new Map([
        ['prod', { http: 'prod:1', qos: '1', topic: ['a', 'b'] }],
        ['test', { http: 'test:2' }],
      ]),
    })
    const prod = { ...defaults, http: 'http://prod:1', qos: 1, topic: ['a', 'b'] }
    expect((await run(['list'])).calls).toEqual([['list', prod]])
    process.env['GOMQ_QOS'] = '2'
    expect((await run(['list'])).calls).toEqual([['list', { ...prod, qos: 2 }]])
    expect((await run(words('list --qos 0 -t c'))).calls).toEqual([['list', { ...prod, qos: 0, topic: ['c'] }]])
    delete process.env['GOMQ_QOS']
    process.env['GOMQ_CONTEXT'] = 'test'
    expect((await run(['list'])).calls).toEqual([['list', { ...defaults, http: 'http://test:2' }]])
    expect((await run(words('--context prod list'))).calls).toEqual([['list', prod]])
    expect((await run(['--context', '', 'list'])).calls).toEqual([['list', defaults]])
  })

  test('a context that is not there ends with 64, a damaged file with 78, and neither command runs', async () => {
    expect(await run(words('--context nowhere list'))).toMatchObject({
      calls: [],
      exitCode: 64,
      stderr: 'gomqctl: there is no context "nowhere"; add one with gomqctl context add\n',
    })
    writeContexts(contextFile(), { current: undefined, byName: new Map() })
    writeFileSync(contextFile(), '{')
    for (const line of ['list', '-t A pub x', '-t A sub', 'topics', 'version'])
      expect(await run(words(line)), line).toMatchObject({ calls: [], exitCode: 78, stdout: '' })
    expect(await run(['help'])).toMatchObject({ exitCode: 0 })
  })

  test('of a password and a password file the one from the stronger source counts', async () => {
    writeContexts(contextFile(), { current: 'c', byName: new Map([['c', { password: 'kept' }]]) })
    expect((await run(['list'])).calls).toEqual([['list', { ...defaults, password: 'kept' }]])
    process.env['GOMQ_PASSWORD_FILE'] = 'f'
    expect((await run(['list'])).calls).toEqual([['list', { ...defaults, passwordFile: 'f' }]])
    expect((await run(words('list --password p'))).calls).toEqual([['list', { ...defaults, password: 'p' }]])
    const both = { ...defaults, password: 'p', passwordFile: 'g' }
    expect((await run(words('list --password p --password-file g'))).calls).toEqual([['list', both]])
  })

  test('--no-clean-session is --clean-session 0, and counts before the environment', async () => {
    process.env['GOMQ_CLEAN_SESSION'] = '1'
    expect((await run(words('--no-clean-session list'))).calls).toEqual([
      ['list', { ...defaults, cleanSession: false }],
    ])
  })

  test('a wrong value in the environment is refused by its name', async () => {
    process.env['GOMQ_QOS'] = '5'
    const { exitCode, stderr } = await run(['list'])
    expect(exitCode).toBe(64)
    expect(stderr).toContain("value '5' from env 'GOMQ_QOS' is invalid. Use 0, 1 or 2.")
  })
})

describe('context', () => {
  test.each([
    [
      'context add prod -c a:1 --client-id me',
      { action: 'add', name: 'prod', settings: { connect: 'gomq://a:1', 'client-id': 'me' }, replace: false },
    ],
    [
      '-c a:1 context --replace add prod',
      { action: 'add', name: 'prod', settings: { connect: 'gomq://a:1' }, replace: true },
    ],
    ['context use prod', { action: 'use', name: 'prod' }],
    ['context use', { action: 'use' }],
    ['context list', { action: 'list' }],
    ['context show', { action: 'show' }],
    ['context rm prod', { action: 'remove', name: 'prod' }],
  ])('%s is understood', async (line, request) => {
    expect((await run(words(line))).calls).toEqual([['context', request, { json: false, quiet: false }]])
  })

  test('works although the context in use is not valid, so that it can be mended', async () => {
    writeContexts(contextFile(), { current: 'c', byName: new Map([['c', { qos: '9' }]]) })
    expect(await run(['list'])).toMatchObject({
      exitCode: 78,
      stderr: expect.stringMatching(/^gomqctl: context 'c' in .*: "qos" is not valid. Use 0, 1 or 2.\n$/),
    })
    expect((await run(words('--json context list'))).calls).toEqual([
      ['context', { action: 'list' }, { json: true, quiet: false }],
    ])
  })
})

describe('help', () => {
  test.each(['help', '--help', '-h', '--qos 1 help'])('%s is a result: stdout and exit code 0', async (line) => {
    const { exitCode, stdout, stderr, calls } = await run(words(line))
    expect({ exitCode, stderr, calls }).toEqual({ exitCode: 0, stderr: '', calls: [] })
    expect(stdout).toMatch(/^Usage: gomqctl \[options\] <command>/)
  })

  test.each(['help pub', 'pub --help', '--help pub', 'pub -h'])('%s is the help of the command', async (line) => {
    const { exitCode, stdout } = await run(words(line))
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^Usage: gomqctl pub/)
  })

  test.each(['pub', 'sub', 'list', 'topics', 'sessions', 'subscriptions', 'version'])(
    'the help of %s names defaults and shows an example',
    async (name) => {
      const { stdout } = await run(['help', name])
      expect(stdout).toContain('(default: 0, env: GOMQ_QOS)')
      expect(stdout).toContain('(default: 127.0.0.1:9000, env: GOMQ_CONNECT)')
      expect(stdout).toMatch(/Examples?:\n {2}\S*.*gomqctl/)
    },
  )

  test('no line of help is wider than a terminal of 100 columns', async () => {
    for (const name of ['', ...descendantsOf(buildProgram()).map(pathOf)])
      for (const line of (await run([...words(name), '--help'])).stdout.split('\n'))
        expect(line.length, line).toBeLessThanOrEqual(100)
  })
})

describe('wrong arguments', () => {
  test.each([
    ['', 'Usage: gomqctl'],
    ['pbu x', "unknown command 'pbu'\n(Did you mean pub?)"],
    ['lst', '(Did you mean one of list, ls?)'],
    ['nonsense', "unknown command 'nonsense'"],
    ['--topc A pub', "unknown option '--topc'\n(Did you mean --topic?)"],
    ['-t A pub --qos 3 x', 'Use 0, 1 or 2.'],
    ['-t A pub --retain maybe x', 'Use 0 or 1.'],
    ['-t A pub x --key', "'-k, --key <key>' argument missing"],
    ['-t A pub -x', "If '-x' is a message, put it behind --: pub -- -x"],
    ['-t A pub --ttl 0 x', 'at least 1ms'],
    ['-t A pub --count 0 x', 'Use a whole number from 1.'],
    ['-t A pub --interval often x', 'Use a number with a unit'],
    ['-t A/#/b sub', `is invalid. topic filter "A/#/b": '#' must be the whole last level`],
    ['--will-topic A/# list', 'holds a wildcard'],
    ['-t A sub --from yesterday', "Use 'new', 'earliest', an offset"],
    ['-t A sub --count 0', 'Use a whole number from 1.'],
    ['-t A sub --timeout soon', 'Use a number with a unit'],
    ['-t A sub --format xml', 'Allowed choices are text, raw, json, screen.'],
    ['-t A sub extra', 'too many arguments'],
    ['--keep-alive 65536 list', 'Use seconds, 0 to 65535.'],
    ['--session-expiry 50000d list', 'Use at most 49710d.'],
    ['--compression gzip list', 'Allowed choices are none, deflate.'],
    ['--will-qos 3 list', 'Use 0, 1 or 2.'],
    ['completion tcsh', 'Allowed choices are bash, zsh, fish.'],
    ['context', 'Usage: gomqctl context'],
    ['context ad', "unknown command 'ad'\n(Did you mean add?)"],
    ['context add', "missing required argument 'name'"],
    ['list extra', 'too many arguments'],
    ['--connect nonsense:99999 list', "'nonsense:99999' is no address; use host:port"],
    ['--http host:0 topics', 'Use host:port, such as 127.0.0.1:8000.'],
    ['--from 3 list', "unknown option '--from'"],
  ])("'gomqctl %s' ends with 64 and says: %s", async (line, text) => {
    const { calls, exitCode, stdout, stderr } = await run(words(line))
    expect({ calls, exitCode, stdout }).toEqual({ calls: [], exitCode: 64, stdout: '' })
    expect(stderr).toContain(text)
    if (!text.startsWith('Usage')) expect(stderr).toMatch(/^gomqctl: .*Try 'gomqctl help/s)
  })
})
