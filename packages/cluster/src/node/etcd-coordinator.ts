import { type Epoch, GomqError } from '@gomq/protocol'
import {
  Etcd3,
  EtcdLeaseInvalidError,
  type ICompare,
  type ILeaseKeepAliveResponse,
  type IOptions,
  type IRequestOp,
} from 'etcd3'
import type { BrokerAddresses, ClusterView, RegisteredBroker, Replica } from '../cluster-view.js'
import type { Coordinator, Lease, WriteOutcome } from '../coordinator.js'
import { EtcdKeys, encodeValue } from './etcd-keys.js'

/** How long the watch waits before it is begun anew. */
const WATCH_AGAIN_MS = 1_000

/** Where etcd is, and whose keys are meant. */
export interface EtcdOptions {
  /** `http://host:port`, one for each member of etcd; https for TLS. */
  readonly endpoints: readonly string[]
  /** Name of the cluster of brokers. */
  readonly cluster: string
  /** After which a call counts as unanswered, ms; 1,500 by default. */
  readonly requestTimeoutMs?: number
  readonly auth?: { readonly username: string; readonly password: string }
  /** PEM, for https. */
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer }
}

/** Lets a call through once, as it is: etcd3's own policies would try writes again behind our back (R9). */
const ONCE = { execute: (run: (context: object) => unknown) => Promise.resolve().then(() => run({})) } as never

/**
 * etcd as the {@link Coordinator}, through the raw calls of `etcd3`, and the only importer of it. What that package offers above them is not used: its retries run
 * transactions twice, its lease believes the wall clock, its election and lock do not fence, and one unanswered watch blocks the others.
 *
 * Calls go to one endpoint until it fails; then the next call goes to the next one. Reads, registrations and renewals are tried at each within their
 * time, writes never twice.
 */
export class EtcdCoordinator implements Coordinator {
  readonly #clients: readonly Etcd3[]
  readonly #keys: EtcdKeys
  readonly #timeoutMs: number
  readonly #endpoints: readonly string[]
  #current = 0
  #isClosed = false
  readonly #watches = new Set<() => void>()

  constructor(options: EtcdOptions) {
    this.#timeoutMs = options.requestTimeoutMs ?? 1_500
    this.#endpoints = options.endpoints
    this.#keys = new EtcdKeys(options.cluster)
    this.#clients = options.endpoints.map((host) => new Etcd3(this.#clientOptions(host, options)))
  }

  async read(): Promise<ClusterView> {
    return this.#safely(async ({ kv }) => {
      const range = await kv.range({ key: this.#keys.first, range_end: this.#keys.end })
      return this.#keys.view(range.header, range)
    })
  }

  register(broker: RegisteredBroker, ttlMs: number): Promise<Lease> {
    return this.#safely(async ({ kv, leaseClient }) => {
      const { ID: id, TTL: ttlSec } = await leaseClient.leaseGrant({ TTL: Math.ceil(ttlMs / 1000) })
      await kv.put({ key: this.#keys.member(broker.id), value: encodeValue(broker), lease: id })
      return { id, ttlMs: 1000 * Number(ttlSec) }
    })
  }

  keepAlive(lease: Lease): Promise<number> {
    return this.#safely(async ({ leaseClient }) => {
      const stream = await leaseClient.leaseKeepAlive({ deadline: Date.now() + this.#timeoutMs })
      try {
        const { TTL: ttlSec } = await new Promise<ILeaseKeepAliveResponse>((resolve, reject) => {
          stream.on('data', resolve)
          // For ever: a stream that is cancelled below has an error of its own.
          stream.on('error', reject)
          stream.on('end', () => reject(new Error('the stream has ended')))
          stream.write({ ID: lease.id })
        })
        return 1000 * Number(ttlSec)
      } finally {
        stream.end()
        stream.cancel()
      }
    })
  }

  async revoke(lease: Lease): Promise<void> {
    await this.#once(({ leaseClient }) => leaseClient.leaseRevoke({ ID: lease.id })).catch(() => undefined)
  }

  form(cluster: { uuid: string; replicas: number }, members: readonly Replica[]): Promise<WriteOutcome> {
    const { cluster: clusterKey, inSync } = this.#keys
    return this.#write(
      [created(clusterKey, 0), created(inSync, 0)],
      [put(clusterKey, encodeValue(cluster)), put(inSync, encodeValue({ epoch: 0 as Epoch, members }))],
    )
  }

  campaign(request: {
    readonly lease: Lease
    readonly leader: Replica & { readonly epoch: Epoch; readonly addresses: BrokerAddresses }
    readonly members: readonly Replica[]
    readonly inSyncRevision: number
  }): Promise<WriteOutcome> {
    const { lease, leader, members, inSyncRevision } = request
    return this.#write(
      [created(this.#keys.leader, 0), modified(this.#keys.inSync, inSyncRevision)],
      [
        put(this.#keys.leader, encodeValue(leader), lease.id),
        put(this.#keys.inSync, encodeValue({ epoch: leader.epoch, members })),
      ],
    )
  }

  changeInSync(request: {
    readonly epoch: Epoch
    readonly members: readonly Replica[]
    readonly leaderRevision: number
    readonly inSyncRevision: number
  }): Promise<WriteOutcome> {
    const { epoch, members, leaderRevision, inSyncRevision } = request
    return this.#write(
      [created(this.#keys.leader, leaderRevision), modified(this.#keys.inSync, inSyncRevision)],
      [put(this.#keys.inSync, encodeValue({ epoch, members }))],
    )
  }

  appoint(request: {
    readonly cluster: { readonly uuid: string; readonly replicas: number }
    readonly epoch: Epoch
    readonly member: Replica
    readonly inSyncRevision: number
  }): Promise<WriteOutcome> {
    const { cluster, epoch, member, inSyncRevision } = request
    return this.#write(
      [created(this.#keys.leader, 0), modified(this.#keys.inSync, inSyncRevision)],
      [
        put(this.#keys.cluster, encodeValue(cluster)),
        put(this.#keys.inSync, encodeValue({ epoch, members: [member] })),
      ],
    )
  }

  removeLeader(leaderRevision: number): Promise<WriteOutcome> {
    const { leader } = this.#keys
    return this.#write([created(leader, leaderRevision)], [{ request_delete_range: { key: leader } }])
  }

  watch(onChange: () => void): () => void {
    let isOver = false
    let cancel: () => void = () => undefined
    let timer: NodeJS.Timeout | undefined
    const begin = async () => {
      try {
        const stream = await this.#client.watchClient.watch()
        cancel = () => stream.cancel()
        let isBroken = false
        const again = () => {
          if (isBroken || isOver) return
          isBroken = true
          stream.cancel()
          timer = setTimeout(() => void begin(), WATCH_AGAIN_MS)
        }
        stream.on('error', again)
        stream.on('end', again)
        stream.on('data', (answer) => {
          if (isOver) return
          // Also when it stands, or was ended by a compaction: something may have happened before.
          onChange()
          if (answer.canceled) again()
        })
        if (isOver) stream.cancel()
        else stream.write({ create_request: { key: this.#keys.first, range_end: this.#keys.end } })
      } catch {
        if (!isOver) timer = setTimeout(() => void begin(), WATCH_AGAIN_MS)
      }
    }
    const end = () => {
      isOver = true
      clearTimeout(timer)
      cancel()
      this.#watches.delete(end)
    }
    this.#watches.add(end)
    void begin()
    return end
  }

  close(): Promise<void> {
    this.#isClosed = true
    for (const end of this.#watches) end()
    for (const client of this.#clients) client.close()
    return Promise.resolve()
  }

  get #client(): Etcd3 {
    return this.#clients[this.#current]!
  }

  #clientOptions(host: string, { auth, tls }: EtcdOptions): IOptions {
    return {
      hosts: host,
      faultHandling: { global: ONCE, host: () => ONCE },
      defaultCallOptions: (call) => (call.isStream ? {} : { deadline: Date.now() + this.#timeoutMs }),
      grpcOptions: {
        'grpc.enable_retries': 0,
        'grpc.keepalive_time_ms': 2_000,
        'grpc.keepalive_timeout_ms': 2_000,
        'grpc.keepalive_permit_without_calls': 1,
        // Of a server that is back, it is soon found out.
        'grpc.initial_reconnect_backoff_ms': 200,
        'grpc.max_reconnect_backoff_ms': 1_000,
      },
      ...(auth !== undefined && { auth: { ...auth } }),
      ...(tls !== undefined && {
        credentials: {
          rootCertificate: tls.ca!,
          ...(tls.key !== undefined && { privateKey: tls.key }),
          ...(tls.cert !== undefined && { certChain: tls.cert }),
        },
      }),
    }
  }

  /** One transaction; both ends of it answer with everything there is. */
  async #write(compare: ICompare[], success: IRequestOp[]): Promise<WriteOutcome> {
    const all: IRequestOp = { request_range: { key: this.#keys.first, range_end: this.#keys.end } }
    try {
      const answer = await this.#once(({ kv }) => kv.txn({ compare, success: [...success, all], failure: [all] }))
      const view = this.#keys.view(answer.header, answer.responses.at(-1)!.response_range)
      return { kind: answer.succeeded ? 'done' : 'refused', view }
    } catch (error) {
      // The one error that says that nothing was done: the lease that a key was to stand under is gone.
      if (error instanceof EtcdLeaseInvalidError)
        return await this.read().then(
          (view): WriteOutcome => ({ kind: 'refused', view }),
          (): WriteOutcome => ({ kind: 'unknown' }),
        )
      return { kind: 'unknown' }
    }
  }

  /** A call that may be done twice: each endpoint is asked in turn. */
  async #safely<T>(call: (client: Etcd3) => Promise<T>): Promise<T> {
    let last: unknown
    for (let i = 0; i < this.#clients.length; i++) {
      try {
        return await this.#once(call)
      } catch (error) {
        if (error instanceof GomqError) throw error
        last = error
      }
    }
    throw new GomqError(
      'COORDINATOR_UNAVAILABLE',
      `etcd at ${this.#endpoints.join(', ')} does not answer: ${last instanceof Error ? last.message : String(last)}`,
      { cause: last },
    )
  }

  /** The deadlines of gRPC believe the wall clock, which may jump; this one does not. */
  async #once<T>(call: (client: Etcd3) => Promise<T>): Promise<T> {
    const mine = this.#current
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${this.#timeoutMs} ms`)), this.#timeoutMs)
    })
    try {
      return await Promise.race([call(this.#clients[mine]!), late])
    } catch (error) {
      const isTheirs = error instanceof GomqError || error instanceof EtcdLeaseInvalidError
      if (!isTheirs && this.#current === mine && !this.#isClosed) this.#current = (mine + 1) % this.#clients.length
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
}

function created(key: Buffer, revision: number): ICompare {
  return { key, target: 'Create', result: 'Equal', create_revision: revision }
}

function modified(key: Buffer, revision: number): ICompare {
  return { key, target: 'Mod', result: 'Equal', mod_revision: revision }
}

function put(key: Buffer, value: Buffer, lease?: string): IRequestOp {
  return { request_put: { key, value, ...(lease !== undefined && { lease }) } }
}
