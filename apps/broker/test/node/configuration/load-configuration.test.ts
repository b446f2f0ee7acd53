import { GomqError } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { parseCommandLine } from '../../../src/node/configuration/command-line.js'
import type { Configuration } from '../../../src/node/configuration/configuration.js'
import { loadConfiguration } from '../../../src/node/configuration/load-configuration.js'
import { OPTION_KEYS, OPTIONS } from '../../../src/node/configuration/option-table.js'

interface Sources {
  args?: string[]
  environment?: Record<string, string>
  file?: string
}

function load({ args = [], environment = {}, file }: Sources): Configuration {
  const commandLine = parseCommandLine(file === undefined ? args : ['--config', 'gomq.toml', ...args], '1.2.3')
  if (commandLine.kind !== 'run') throw new Error('the command line asks for a text')
  return loadConfiguration(commandLine, { environment, readFile: () => file ?? '' }).configuration
}

function refusal(sources: Sources): string {
  try {
    load(sources)
  } catch (error) {
    if (error instanceof GomqError && error.code === 'CONFIG_INVALID') return error.message
    throw error
  }
  throw new Error('nothing was refused')
}

describe('configuration', () => {
  test('the defaults stand in the option table and are themselves valid', () => {
    expect(load({})).toMatchObject({
      dataDir: './gomq-data',
      tcp: { host: '127.0.0.1', port: 9000 },
      http: { host: '127.0.0.1', port: 8000 },
      messageBytesMax: 4 * 1024 * 1024,
      retainedTopicsMax: 1_000_000,
      segmentBytes: 128 * 1024 * 1024,
      connectionsMax: 10_000,
      logLevel: 'info',
      insecure: false,
      httpHosts: [],
    })
  })

  test('a flag overrides the environment, which overrides the file, which overrides the default', () => {
    const file = 'node-id = "file"\ndata-dir = "file"\nlog-level = "warn"'
    const environment = { GOMQ_NODE_ID: 'environment', GOMQ_DATA_DIR: 'environment' }
    expect(load({ file, environment, args: ['--data-dir', 'flag'] })).toMatchObject({
      dataDir: 'flag',
      nodeId: 'environment',
      logLevel: 'warn',
      connectionsMax: 10_000,
    })
  })

  test('the file may be named in the environment', () => {
    const commandLine = parseCommandLine([], '1.2.3')
    if (commandLine.kind !== 'run') throw new Error('unexpected')
    const { configuration } = loadConfiguration(commandLine, {
      environment: { GOMQ_CONFIG: '/etc/gomq.toml' },
      readFile: (path) => `node-id = "${path}"`,
    })
    expect(configuration.nodeId).toBe('/etc/gomq.toml')
  })

  test('sizes are integers of bytes or carry B, KiB, MiB or GiB; decimal units are refused', () => {
    expect(load({ args: ['--message-bytes-max', '16MiB'] }).messageBytesMax).toBe(16 * 1024 * 1024)
    expect(load({ args: ['--message-bytes-max', '100'] }).messageBytesMax).toBe(100)
    expect(load({ file: 'message-bytes-max = 65_536' }).messageBytesMax).toBe(65_536)
    expect(load({ environment: { GOMQ_SEGMENT_BYTES: '1 gib' } }).segmentBytes).toBe(1024 ** 3)
    expect(refusal({ args: ['--message-bytes-max', '16MB'] })).toContain("as in '16MiB'")
    expect(refusal({ args: ['--message-bytes-max', '65MiB'] })).toContain('write a size from 1B to 64MiB')
  })

  test('addresses are host:port, IPv6 in brackets, port 0 allowed', () => {
    expect(load({ args: ['--tcp', '[::1]:0'] }).tcp).toEqual({ host: '::1', port: 0 })
    expect(load({ args: ['--http', 'off'] }).http).toBeUndefined()
    for (const bad of ['9000', ':9000', 'localhost', '::1:9000', '127.0.0.1:65536', '[nope]:1', 'a b:1', '']) {
      expect(refusal({ args: ['--tcp', bad] })).toContain('write host:port')
    }
  })

  test('a listener beyond loopback is refused unless the operator says --insecure', () => {
    for (const host of ['0.0.0.0', '[::]', '192.168.1.5', 'broker.example', '128.0.0.1', '[::ffff:10.0.0.1]']) {
      expect(refusal({ args: ['--tcp', `${host}:9000`] })).toContain('add --insecure')
      expect(refusal({ args: ['--http', `${host}:8000`] })).toContain('add --insecure')
      expect(load({ args: ['--tcp', `${host}:9000`, '--insecure'] }).insecure).toBe(true)
    }
    for (const host of ['localhost', '127.0.0.2', '[::1]', '[::ffff:127.0.0.1]'])
      load({ args: ['--tcp', `${host}:9000`] })
  })

  test('what is unknown is refused, or named if it is only a variable', () => {
    expect(refusal({ args: ['--no-such-option', '1'] })).toContain('--no-such-option')
    expect(refusal({ args: ['stray'] })).toContain("'gomq --help'")
    expect(refusal({ file: 'segment_bytes = 1' })).toContain("'segment_bytes' (file gomq.toml) is no option")
    expect(refusal({ file: '__proto__ = 1' })).toContain('no option')
    const commandLine = parseCommandLine([], '1.2.3')
    if (commandLine.kind !== 'run') throw new Error('unexpected')
    const environment = { GOMQ_SEGMENT_BYTE: '1', PATH: '/bin' }
    expect(loadConfiguration(commandLine, { environment, readFile: () => '' }).unknownVariables).toEqual([
      'GOMQ_SEGMENT_BYTE',
    ])
  })

  test('a refusal names the value and where it came from, all of them at once', () => {
    const message = refusal({ file: 'connections-max = 0', environment: { GOMQ_LOG_LEVEL: 'loud' } })
    expect(message).toContain('connections-max = 0 (file gomq.toml) is no integer from 1 to 1000000')
    expect(message).toContain('log-level = "loud" (environment variable GOMQ_LOG_LEVEL) is none of trace, debug')
  })

  test('a file that is missing or no TOML is refused', () => {
    expect(refusal({ file: 'node-id = ' })).toContain('is no TOML')
    const commandLine = parseCommandLine(['--config', 'missing.toml'], '1.2.3')
    if (commandLine.kind !== 'run') throw new Error('unexpected')
    const readFile = (): string => {
      throw new Error('ENOENT')
    }
    expect(() => loadConfiguration(commandLine, { environment: {}, readFile })).toThrow('missing.toml cannot be read')
  })

  test('--help shows every option with its default and its variable', () => {
    const help = parseCommandLine(['--help'], '1.2.3')
    if (help.kind !== 'print') throw new Error('--help prints nothing')
    const text = help.text.replaceAll(/\s+/g, ' ')
    for (const key of OPTION_KEYS) {
      const { flag, fallback } = OPTIONS[key]
      expect(text).toContain(`--${flag}`)
      expect(text).toContain(
        `(default: ${fallback === '' ? 'none' : fallback}) [GOMQ_${flag.toUpperCase().replaceAll('-', '_')}]`,
      )
    }
    expect(parseCommandLine(['--version'], '1.2.3')).toEqual({ kind: 'print', text: 'gomq 1.2.3\n' })
  })

  test('without etcd the broker leads alone; with it the cluster has defaults, and others can be told other addresses', () => {
    expect(load({}).etcd).toEqual([])
    const args = ['--etcd', 'http://127.0.0.1:2379, http://127.0.0.1:2479/', '--advertise-tcp', 'b1.example:9000']
    expect(load({ args })).toMatchObject({
      etcd: ['http://127.0.0.1:2379', 'http://127.0.0.1:2479'],
      cluster: 'gomq',
      replicas: 3,
      replication: { host: '127.0.0.1', port: 9100 },
      leaseMs: 5_000,
      replicaLagMs: 3_000,
      advertiseTcp: { host: 'b1.example', port: 9000 },
      advertiseHttp: undefined,
    })
  })

  test('the word to recover a cluster is an offset and an epoch, as a refusal shows it', () => {
    const word = (text: string) => load({ args: ['--recover-at', text] }).recoverAt
    expect([word('51200@7'), word('0'), load({}).recoverAt]).toEqual([{ end: 51_200, epoch: 7 }, { end: 0 }, undefined])
    for (const text of ['x', '-1@2', '1@', '1@2@3'])
      expect(refusal({ args: ['--recover-at', text] }), text).toContain("as in '51200@7'")
  })

  test('a broker of a cluster says what others need: its ports, a secret beyond loopback, and a name', () => {
    const etcd = ['--etcd', 'http://127.0.0.1:2379']
    expect(refusal({ args: [...etcd, '--tcp', '127.0.0.1:0'] })).toContain('--advertise-tcp')
    expect(load({ args: [...etcd, '--tcp', '127.0.0.1:0', '--advertise-tcp', '127.0.0.1:9000'] }).tcp.port).toBe(0)
    expect(refusal({ args: [...etcd, '--replication', '0.0.0.0:9100'] })).toContain('--cluster-secret')
    const { clusterSecret } = load({ args: [...etcd, '--replication', '0.0.0.0:9100', '--cluster-secret', 's3'] })
    expect(clusterSecret).toBe('s3')
    expect(refusal({ args: [...etcd, '--node-id', 'a b'] })).toContain('--node-id')
    expect(refusal({ args: ['--etcd', '127.0.0.1:2379'] })).toContain('no list of URLs')
    expect(refusal({ args: ['--cluster', 'a/b'] })).toContain('no name')
  })

  test('the secret of a cluster is never shown where it is refused', () => {
    const message = refusal({ args: ['--cluster-secret', '@/nowhere/secret'] })
    expect(message).toContain('cluster-secret = ... (command line) cannot be read')
  })
})
