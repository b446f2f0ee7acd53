import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import type { Configuration } from '../../../../apps/broker/src/node/configuration/configuration.js'
import { loadConfiguration } from '../../../../apps/broker/src/node/configuration/load-configuration.js'
import { copySources } from '../../../../e2e/test/support/copy-sources.js'
import { environmentOf, instructionsOf, lastStage } from '../../src/dockerfile.js'

const root = new URL('../../../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly build: { readonly context: string; readonly dockerfile: string }
        readonly environment: Readonly<Record<string, string>>
        readonly ports: readonly string[]
        readonly volumes: readonly string[]
        readonly stop_grace_period: string
        readonly init: boolean
        readonly profiles?: readonly string[]
      }
    >
  >
  readonly volumes: Readonly<Record<string, unknown>>
}

const dockerfile = instructionsOf(read('apps/broker/Dockerfile'))
const environment = environmentOf(dockerfile)
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose
const service = compose.services['gomq']!

/** What the broker makes of an environment; a variable that is no option fails the test. */
function configurationOf(variables: Record<string, string>): Configuration {
  const sources = { environment: variables, readFile: () => '' }
  const loaded = loadConfiguration({ kind: 'run', configFile: undefined, values: new Map() }, sources)
  expect(loaded.unknownVariables).toEqual([])
  return loaded.configuration
}

describe('the image', () => {
  test('sets variables that are options, listens beyond the container and keeps its data in the volume', () => {
    const { tcp, http, dataDir, insecure } = configurationOf(environment)
    expect([tcp.host, http!.host, insecure]).toEqual(['0.0.0.0', '0.0.0.0', true])
    expect(lastStage(dockerfile, 'EXPOSE')).toEqual([`${tcp.port} ${http!.port}`])
    expect(lastStage(dockerfile, 'VOLUME')).toEqual([dataDir])
    expect(lastStage(dockerfile, 'RUN')).toContain(`install -d -o node -g node ${dataDir}`)
  })

  test('runs as a user of its own, is stopped by SIGTERM and says whether it is ready', () => {
    expect(lastStage(dockerfile, 'USER')).toEqual(['node'])
    expect(lastStage(dockerfile, 'STOPSIGNAL')).toEqual(['SIGTERM'])
    expect(lastStage(dockerfile, 'HEALTHCHECK')[0]).toContain('/readyz')
  })

  test('starts the program that the package has, without a shell between', () => {
    const [program, file] = JSON.parse(lastStage(dockerfile, 'ENTRYPOINT')[0]!) as string[]
    expect(program).toBe('node')
    expect(lastStage(dockerfile, 'COPY')).toEqual(['--from=build /broker /broker'])
    expect(existsSync(new URL(file!.replace('/broker/', 'apps/broker/'), root)), file).toBe(true)
  })

  test('has a Node that the packages support, the same in both stages', () => {
    const images = dockerfile.filter(({ name }) => name === 'FROM').map(({ text }) => text.split(' ')[0])
    const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } }
    expect(images).toEqual(['node:20-slim', 'node:20-slim'])
    expect(engines.node).toBe('>=20.19')
  })

  test('is built from sources, not from what was built or installed before', () => {
    const ignored = read('.dockerignore').trim().split('\n')
    expect(ignored).toEqual(expect.arrayContaining(['**/node_modules', '**/dist', '**/gomq-data', '.git']))
  })
})

describe('docker-compose.yml, one broker', () => {
  test('builds the image from files that are there', () => {
    expect(service.build.context).toBe('.')
    expect(existsSync(new URL(service.build.dockerfile, root))).toBe(true)
  })

  test('sets variables that are options, on top of those of the image', () => {
    expect(configurationOf({ ...environment, ...service.environment }).httpHosts).toEqual(['gomq'])
    const unnamed = Object.entries(compose.services).filter(([, { profiles }]) => profiles === undefined)
    expect(unnamed.map(([name]) => name)).toEqual(['gomq'])
  })

  test('publishes the ports of the image on loopback only', () => {
    const ports = lastStage(dockerfile, 'EXPOSE')[0]!.split(' ')
    expect(service.ports).toEqual(ports.map((port) => `127.0.0.1:${port}:${port}`))
  })

  test('keeps the data in a volume that it declares', () => {
    const [volume, path] = service.volumes[0]!.split(':')
    expect(Object.keys(compose.volumes)).toContain(volume)
    expect(path).toBe(environment['GOMQ_DATA_DIR'])
  })

  test('gives the broker more time to stop than it takes', () => {
    const graceMs = Number(/^(\d+)s$/.exec(service.stop_grace_period)![1]) * 1000
    expect(graceMs).toBeGreaterThan(configurationOf(environment).shutdownTimeoutMs)
    expect(service.init).toBe(true)
  })
})

describe('docker-compose.yml, a cluster', () => {
  const members = Object.entries(compose.services).filter(([, { profiles }]) => profiles?.includes('cluster'))
  const { etcd, ...brokers } = Object.fromEntries(members)
  // What the shell that starts it must give: without it the brokers refuse to start, and say so.
  const given = (variables: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries(variables).map(([name, value]) => [
        name,
        /^\$\{GOMQ_CLUSTER_SECRET:-\}$/.test(value) ? 'a secret' : value,
      ]),
    )
  const configurations = Object.values(brokers).map((it) =>
    configurationOf({ ...environment, ...given(it.environment) }),
  )

  test('has an etcd and three brokers of one cluster, each with a name, a disk and a published port of its own', () => {
    expect(etcd).toBeDefined()
    expect(configurations.map(({ nodeId }) => nodeId)).toEqual(['b1', 'b2', 'b3'])
    expect(configurations.map(({ etcd: urls, cluster: name, replicas }) => [urls, name, replicas])).toEqual(
      Array(3).fill([['http://etcd:2379'], 'demo', 3]),
    )
    expect(Object.values(brokers).map(({ ports }) => ports)).toEqual(
      [0, 1, 2].map((i) => [`127.0.0.1:${9000 + i}:9000`, `127.0.0.1:${8000 + i}:8000`]),
    )
    const volumes = Object.values(compose.services).map((it) => it.volumes[0]!.split(':')[0])
    expect(new Set(volumes).size).toBe(5)
    expect(Object.keys(compose.volumes)).toEqual(volumes)
  })

  test('sends clients to the published ports, and brokers to each other by name', () => {
    for (const [i, [name, { ports }]] of Object.entries(brokers).entries()) {
      const { advertiseTcp, advertiseHttp, advertiseReplication, http, replication, clusterSecret } = configurations[i]!
      expect(ports[0]).toBe(`${advertiseTcp!.host}:${advertiseTcp!.port}:9000`)
      expect(advertiseHttp).toEqual({ host: name, port: http!.port })
      expect(advertiseReplication).toEqual({ host: name, port: replication.port })
      expect(clusterSecret).toBe('a secret')
    }
  })

  test('gives each broker more time to stop than it takes', () => {
    for (const [i, { stop_grace_period: grace, init }] of Object.values(brokers).entries()) {
      expect(Number(/^(\d+)s$/.exec(grace)![1]) * 1000).toBeGreaterThan(configurations[i]!.shutdownTimeoutMs)
      expect(init).toBe(true)
    }
  })
})

/** Runs a program to its end and returns its exit code. */
function exitOf(file: string, args: readonly string[], options: object): Promise<number | null> {
  return new Promise((resolve, reject) => {
    spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options })
      .once('error', reject)
      .once('exit', resolve)
  })
}

// It installs and builds everything anew, which takes most of a minute.
if (process.env['GOMQ_LONG'] === '1') {
  test('the build steps of the image make a broker that needs nothing else of the repository', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gomq-image-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    // The paths of the image, moved to where a test may write.
    const moved = (text: string) =>
      text.replaceAll('/broker/', `${directory}/broker/`).replace(/ \/broker$/, ` ${directory}/broker`)

    const context = join(directory, 'gomq')
    copySources(context)
    const build = dockerfile.find(({ name }) => name === 'RUN')!.text
    expect(await exitOf('sh', ['-c', moved(build)], { cwd: context })).toBe(0)
    renameSync(context, join(directory, 'gone'))

    const variables = {
      PATH: process.env['PATH'],
      ...environment,
      GOMQ_DATA_DIR: join(directory, 'data'),
      GOMQ_TCP: '127.0.0.1:0',
      GOMQ_HTTP: '127.0.0.1:0',
      GOMQ_LOG_LEVEL: 'warn',
    }
    const [program, ...args] = JSON.parse(moved(lastStage(dockerfile, 'ENTRYPOINT')[0]!)) as string[]
    const broker = spawn(program!, args, { env: variables, stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = new Promise((resolve) => broker.once('exit', resolve))
    const ready = await new Promise<string>((resolve, reject) => {
      createInterface({ input: broker.stdout }).once('line', resolve)
      broker.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)))
    })
    const http = /http=(\S+)/.exec(ready)![1]!

    const [, check] = lastStage(dockerfile, 'HEALTHCHECK')[0]!.split('CMD ')
    const [checkProgram, ...checkArgs] = JSON.parse(check!) as string[]
    const health = () => exitOf(checkProgram!, checkArgs, { env: { ...variables, GOMQ_HTTP: http } })
    expect(await health()).toBe(0)
    broker.kill('SIGTERM')
    expect(await exited).toBe(0)
    expect(await health()).toBe(1)
  }, 300_000)
}
