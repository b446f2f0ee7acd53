import { BrokerProcess } from './broker-process.js'
import type { ClusterNetwork } from './cluster-network.js'
import { EtcdProcess } from './etcd-process.js'
import { freePort } from './free-port.js'

/** What a test may ask of a cluster of its own. */
export interface ClusterOptions {
  /** Brokers, 3 by default. */
  readonly brokers?: number
  /** More flags of each broker. */
  readonly args?: readonly string[]
  /** Flags of Node for each broker. */
  readonly nodeArgs?: readonly string[]
  /** Where each broker keeps its data; temporary folders by default. */
  readonly dataDirectories?: readonly string[]
  /** Members of etcd, 1 by default. */
  readonly etcdMembers?: number
  /** Between the processes; by default they reach each other directly. */
  readonly network?: ClusterNetwork
}

/** What `GET /v1/cluster?local=true` says, as far as tests look at it. */
export interface ClusterAnswer {
  readonly role: string
  readonly epoch: number
  readonly leaderId: string | null
  readonly highWatermark: number
  readonly brokers: readonly {
    readonly id: string
    readonly role: string
    readonly isInSync: boolean
    readonly logEndOffset: number | null
  }[]
}

/** An etcd and some brokers over it, each in a process of its own. They go with the test, data and all. */
export class ClusterProcesses {
  /** The members of etcd. */
  readonly etcds: readonly EtcdProcess[]
  readonly brokers: readonly BrokerProcess[]

  private constructor(etcds: readonly EtcdProcess[], brokers: readonly BrokerProcess[]) {
    this.etcds = etcds
    this.brokers = brokers
  }

  /** Starts all of it, and waits until somebody leads and all are in sync. */
  static async start(options: ClusterOptions = {}): Promise<ClusterProcesses> {
    const count = options.brokers ?? 3
    const etcds = await EtcdProcess.startMembers(options.etcdMembers ?? 1)
    const etcdUrls = etcds.map(({ url }) => url).join(',')
    const brokers: BrokerProcess[] = []
    for (let i = 1; i <= count; i++) {
      const ports = [await freePort(), await freePort(), await freePort()]
      const args = [
        ...['--etcd', etcdUrls, '--cluster', 'test', '--node-id', `b${i}`, '--replicas', String(count)],
        // Of two flags the later one counts.
        ...['--tcp', `127.0.0.1:${ports[0]}`, '--http', `127.0.0.1:${ports[1]}`],
        ...['--replication', `127.0.0.1:${ports[2]}`],
        ...((await options.network?.join(etcds[0]!.url, `127.0.0.1:${ports[2]}`)) ?? []),
        ...(options.args ?? []),
      ]
      const dataDirectory = options.dataDirectories?.[i - 1]
      brokers.push(
        BrokerProcess.prepare({ args, nodeArgs: options.nodeArgs ?? [], ...(dataDirectory && { dataDirectory }) }),
      )
    }
    const cluster = new ClusterProcesses(etcds, brokers)
    options.network?.handleStarting(brokers)
    try {
      await Promise.all(brokers.map((broker) => broker.restart()))
      await cluster.settled()
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
    return cluster
  }

  /** The etcd, if it has one member; or its first. */
  get etcd(): EtcdProcess {
    return this.etcds[0]!
  }

  /** For `connect` of the client: all brokers. */
  get urls(): string[] {
    return this.brokers.map((broker) => broker.url)
  }

  /** The broker that leads now, by what a majority of those that answer says. Waits until there is one. */
  async leader(withinMs = 30_000): Promise<BrokerProcess> {
    const untilMs = Date.now() + withinMs
    while (Date.now() < untilMs) {
      for (const broker of this.brokers) if ((await statusOf(broker))?.role === 'leader') return broker
      await delay(50)
    }
    throw new Error(`nobody leads; the brokers said:\n${this.brokers.map(({ stderr }) => stderr).join('\n---\n')}`)
  }

  /** Waits until all brokers are in sync. */
  async settled(withinMs = 60_000): Promise<ClusterAnswer> {
    const untilMs = Date.now() + withinMs
    let last: ClusterAnswer | undefined
    while (Date.now() < untilMs) {
      last = await statusOf(await this.leader(withinMs))
      if (last?.brokers.filter(({ isInSync }) => isInSync).length === this.brokers.length) return last
      await delay(100)
    }
    throw new Error(
      `not all are in sync: ${JSON.stringify(last)}; the brokers said:\n${this.brokers.map(({ stderr }) => stderr).join('\n---\n')}`,
    )
  }

  /** The brokers other than this one. */
  others(than: BrokerProcess): BrokerProcess[] {
    return this.brokers.filter((broker) => broker !== than)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker[Symbol.asyncDispose]()))
    await Promise.all(this.etcds.map((etcd) => etcd[Symbol.asyncDispose]()))
  }
}

/** What a broker says of the cluster; undefined where it does not answer. */
export async function statusOf(broker: BrokerProcess): Promise<ClusterAnswer | undefined> {
  try {
    const answer = await fetch(`${broker.httpUrl}/v1/cluster?local=true`, { signal: AbortSignal.timeout(1000) })
    return answer.ok ? ((await answer.json()) as ClusterAnswer) : undefined
  } catch {
    return undefined
  }
}

/** Brokers that are in sync, by what this one says; undefined where it does not answer. */
export async function inSyncCount(broker: BrokerProcess): Promise<number | undefined> {
  return (await statusOf(broker))?.brokers.filter(({ isInSync }) => isInSync).length
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Who of these leads, as soon as one does. */
export async function nextLeader(brokers: readonly BrokerProcess[]): Promise<BrokerProcess> {
  const untilMs = Date.now() + 30_000
  while (Date.now() < untilMs) {
    for (const broker of brokers) if ((await statusOf(broker))?.role === 'leader') return broker
    await delay(20)
  }
  throw new Error('nobody leads')
}
