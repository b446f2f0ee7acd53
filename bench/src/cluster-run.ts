import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServerProcess } from './server-process.js'

/** Time for etcd to answer, and for all brokers to be in sync. */
const READY_MS_MAX = 30_000

/** What `GET /v1/cluster?local=true` says, as far as it is looked at. */
interface ClusterAnswer {
  readonly role: string
  readonly brokers: readonly { readonly isInSync: boolean }[]
}

/** Brokers of one cluster and an etcd, processes of this machine; their data go when they stop. */
export class ClusterRun {
  readonly leader: ServerProcess
  readonly members: readonly ServerProcess[]
  readonly #etcd: ChildProcess
  readonly #etcdDirectory: string

  private constructor(etcd: ChildProcess, etcdDirectory: string, leader: ServerProcess, all: readonly ServerProcess[]) {
    this.#etcd = etcd
    this.#etcdDirectory = etcdDirectory
    this.leader = leader
    this.members = all.filter((broker) => broker !== leader)
  }

  /** Starts `count` brokers and waits until one leads and all are in sync. @throws Error  etcd is not installed, or they do not get there */
  static async start(workDirectory: string, count: number): Promise<ClusterRun> {
    const etcdDirectory = mkdtempSync(join(workDirectory, 'etcd-'))
    const [client, peer] = [`http://${await freeAddress()}`, `http://${await freeAddress()}`]
    const etcd = spawn(
      'etcd',
      [
        ...['--name', 'only', '--data-dir', etcdDirectory, '--log-level', 'error', '--initial-cluster', `only=${peer}`],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ],
      { stdio: 'ignore', env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch } },
    )
    const failed = new Promise<never>((_, reject) => etcd.once('error', reject))
    failed.catch(() => undefined)
    const endEtcd = () => void etcd.kill('SIGKILL')
    process.once('exit', endEtcd)
    etcd.once('exit', () => process.removeListener('exit', endEtcd))
    await Promise.race([failed, until(async () => (await fetch(`${client}/health`)).ok)])
    const places = await Promise.all(
      Array.from({ length: count }, async () => ({
        tcp: await freeAddress(),
        http: await freeAddress(),
        replication: await freeAddress(),
      })),
    )
    const all = await Promise.all(
      places.map(({ tcp, http, replication }, i) =>
        ServerProcess.broker(workDirectory, [
          ...['--etcd', client, '--cluster', 'bench', '--node-id', `b${i + 1}`, '--replicas', String(count)],
          ...['--tcp', tcp, '--http', http, '--replication', replication],
        ]),
      ),
    )
    let leader: ServerProcess | undefined
    await until(async () => {
      for (const [i, { http }] of places.entries()) {
        const answer = (await (await fetch(`http://${http}/v1/cluster?local=true`)).json()) as ClusterAnswer
        if (answer.role !== 'leader' || answer.brokers.filter(({ isInSync }) => isInSync).length < count) continue
        leader = all[i]
        return true
      }
      return false
    })
    return new ClusterRun(etcd, etcdDirectory, leader!, all)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.members, this.leader].map((broker) => broker.stop()))
    const gone = new Promise((resolve) => this.#etcd.once('exit', resolve))
    this.#etcd.kill('SIGKILL')
    await gone
    rmSync(this.#etcdDirectory, { recursive: true, force: true })
  }
}

/** Waits until `isSo`; a request that fails is asked again. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + READY_MS_MAX
  while (!(await isSo().catch(() => false))) {
    if (performance.now() > endMs) throw new Error('the cluster does not come up')
    await sleep(50)
  }
}

/** A port of the loopback that nobody listens on now. */
async function freeAddress(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return `127.0.0.1:${port}`
}
