import { setTimeout as sleep } from 'node:timers/promises'
import { missingProgram } from '../servers/debian-package.js'
import { freePort } from '../servers/free-port.js'
import { ServerGroup } from '../servers/server-group.js'
import { ServerProcess } from '../servers/server-process.js'
import { BROKER_MAIN, connectGomq, nodeArgs, prepareGomq } from './gomq.js'
import type { System } from './system.js'

const BROKERS = 3
const READY_MS_MAX = 120_000

/** What `GET /v1/cluster?local=true` says, as far as it is looked at. */
interface ClusterAnswer {
  readonly role: string
  readonly brokers: readonly { readonly isInSync: boolean }[]
}

/** Three brokers of GoMQ and an etcd, on one machine. */
export const gomqCluster: System = {
  name: 'gomq-3',
  role: 'gomq',
  durability: 'fdatasync of 3 before ack',
  setup: 'as gomq, three brokers over one etcd; all four and the clients share the machine',
  missing: (mayInstall) => missingProgram('etcd', 'etcd-server', mayInstall),
  version: () => 'GoMQ of this commit',
  start: startCluster,
  prepare: prepareGomq,
  connect: connectGomq,
}

async function startCluster(workDirectory: string): Promise<ServerGroup> {
  const group = new ServerGroup()
  try {
    const etcd = await group.add(startEtcd(workDirectory))
    const httpPorts: number[] = []
    const brokers: Promise<ServerProcess>[] = []
    for (let i = 0; i < BROKERS; i++) {
      const ports = { tcp: await freePort(), http: await freePort(), replication: await freePort() }
      httpPorts.push(ports.http)
      brokers.push(group.add(startBroker(workDirectory, i, `http://${etcd.address}`, ports)))
    }
    group.address = (await Promise.all(brokers)).map(({ address }) => address).join(',')
    await allInSync(httpPorts)
    return group
  } catch (error) {
    await group.stop()
    throw error
  }
}

function startEtcd(workDirectory: string): Promise<ServerProcess> {
  return ServerProcess.startOnPort(workDirectory, async (directory, port) => {
    const [url, peerUrl] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${await freePort()}`]
    const args = [
      ...['--name', 'only', '--data-dir', `${directory}/etcd`, '--log-level', 'error'],
      ...['--listen-client-urls', url, '--advertise-client-urls', url],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
      ...['--initial-cluster', `only=${peerUrl}`],
    ]
    return { command: 'etcd', args, env: { ETCD_UNSUPPORTED_ARCH: process.arch } }
  })
}

function startBroker(
  workDirectory: string,
  index: number,
  etcd: string,
  ports: { readonly tcp: number; readonly http: number; readonly replication: number },
): Promise<ServerProcess> {
  return ServerProcess.start(workDirectory, (directory) => ({
    command: process.execPath,
    args: [
      ...[...nodeArgs(), BROKER_MAIN, '--data-dir', directory, '--tcp', `127.0.0.1:${ports.tcp}`],
      ...['--http', `127.0.0.1:${ports.http}`, '--replication', `127.0.0.1:${ports.replication}`],
      ...['--etcd', etcd, '--cluster', 'bench', '--node-id', `b${index + 1}`, '--replicas', `${BROKERS}`],
    ],
    env: { GOMQ_LOG_LEVEL: 'warn' },
    ready: / ready .*tcp=(\S+)/,
  }))
}

/** Waits until one broker leads and all are in sync. */
async function allInSync(httpPorts: readonly number[]): Promise<void> {
  const endMs = performance.now() + READY_MS_MAX
  while (performance.now() < endMs) {
    for (const port of httpPorts) {
      const answer = await statusOf(port)
      if (answer?.role === 'leader' && answer.brokers.filter(({ isInSync }) => isInSync).length === BROKERS) return
    }
    await sleep(50)
  }
  throw new Error(`not all brokers are in sync after ${READY_MS_MAX / 1000} s`)
}

async function statusOf(port: number): Promise<ClusterAnswer | undefined> {
  try {
    const url = `http://127.0.0.1:${port}/v1/cluster?local=true`
    const answer = await fetch(url, { signal: AbortSignal.timeout(1000) })
    return answer.ok ? ((await answer.json()) as ClusterAnswer) : undefined
  } catch {
    return undefined
  }
}
