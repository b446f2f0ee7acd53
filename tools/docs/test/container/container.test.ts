import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Configuration } from '../../../../apps/broker/src/node/configuration/configuration.js'
import { loadConfiguration } from '../../../../apps/broker/src/node/configuration/load-configuration.js'
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
      }
    >
  >
  readonly volumes: Readonly<Record<string, unknown>>
}

const dockerfile = instructionsOf(read('apps/broker/Dockerfile'))
const environment = environmentOf(dockerfile)
const compose = parse(read('docker-compose.yml')) as Compose
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

describe('docker-compose.yml', () => {
  test('builds the image from files that are there', () => {
    expect(service.build.context).toBe('.')
    expect(existsSync(new URL(service.build.dockerfile, root))).toBe(true)
  })

  test('sets variables that are options, on top of those of the image', () => {
    expect(configurationOf({ ...environment, ...service.environment }).httpHosts).toEqual(['gomq'])
    expect(Object.keys(compose.services)).toEqual(['gomq'])
  })

  test('publishes the ports of the image on loopback only', () => {
    const ports = lastStage(dockerfile, 'EXPOSE')[0]!.split(' ')
    expect(service.ports).toEqual(ports.map((port) => `127.0.0.1:${port}:${port}`))
  })

  test('keeps the data in a volume that it declares', () => {
    const [volume, path] = service.volumes[0]!.split(':')
    expect(Object.keys(compose.volumes)).toEqual([volume])
    expect(path).toBe(environment['GOMQ_DATA_DIR'])
  })

  test('gives the broker more time to stop than it takes', () => {
    const graceMs = Number(/^(\d+)s$/.exec(service.stop_grace_period)![1]) * 1000
    expect(graceMs).toBeGreaterThan(configurationOf(environment).shutdownTimeoutMs)
    expect(service.init).toBe(true)
  })
})
