import { type Epoch, GomqError } from '@gomq/protocol'
import type { BrokerAddresses, ClusterView, LeaderKey, RegisteredBroker, Replica } from '../cluster-view.js'

/** A key of etcd's with its value, as far as it is looked at. Revisions come as text. */
interface KeyValue {
  readonly key: Buffer
  readonly value: Buffer
  readonly create_revision: string
  readonly mod_revision: string
}

/** Where a cluster's keys lie in etcd, and how their values read: JSON, for people who look with etcdctl. */
export class EtcdKeys {
  readonly #prefix: string

  /** @param cluster  its name */
  constructor(cluster: string) {
    this.#prefix = `/gomq/${cluster}/`
  }

  /** Everything of the cluster: from this key... */
  get first(): Buffer {
    return Buffer.from(this.#prefix)
  }

  /** ...up to this one, exclusive: the prefix with its last byte raised. */
  get end(): Buffer {
    const end = Buffer.from(this.#prefix)
    end[end.length - 1]! += 1
    return end
  }

  get cluster(): Buffer {
    return this.#key('cluster')
  }

  get inSync(): Buffer {
    return this.#key('isr')
  }

  get leader(): Buffer {
    return this.#key('leader')
  }

  member(id: string): Buffer {
    return this.#key(`members/${id}`)
  }

  /** What a read of all keys says. @throws GomqError CONFIG_INVALID  a value that no broker has written */
  view(
    header: { readonly cluster_id: string; readonly revision: string },
    range: { readonly kvs: readonly KeyValue[] },
  ): ClusterView {
    const values = new Map(range.kvs.map((kv) => [kv.key.toString().slice(this.#prefix.length), kv]))
    const leader = values.get('leader')
    const inSync = values.get('isr')
    const cluster = values.get('cluster')
    return {
      coordinatorId: header.cluster_id,
      revision: Number(header.revision),
      cluster: cluster && this.#parse<{ uuid: string; replicas: number }>(cluster, ['uuid', 'replicas']),
      inSync: inSync && {
        ...this.#parse<{ epoch: Epoch; members: Replica[] }>(inSync, ['epoch', 'members']),
        modRevision: Number(inSync.mod_revision),
      },
      leader: leader && {
        ...this.#parse<Omit<LeaderKey, 'createRevision'>>(leader, ['id', 'storeId', 'epoch', 'addresses']),
        createRevision: Number(leader.create_revision),
      },
      brokers: [...values]
        .filter(([name]) => name.startsWith('members/'))
        .map(([, kv]) => this.#parse<RegisteredBroker>(kv, ['id', 'storeId', 'addresses', 'version', 'isEmpty'])),
    }
  }

  #key(name: string): Buffer {
    return Buffer.from(this.#prefix + name)
  }

  #parse<T>(kv: KeyValue, names: readonly (keyof T & string)[]): T {
    let value: unknown
    try {
      value = JSON.parse(kv.value.toString())
    } catch {
      value = undefined
    }
    if (typeof value !== 'object' || value === null || names.some((name) => !(name in value)))
      throw new GomqError(
        'CONFIG_INVALID',
        `the value of ${kv.key.toString()} in etcd was not written by GoMQ; another program uses the key: choose another --cluster`,
      )
    return value as T
  }
}

/** The value of a key, as it is written. */
export function encodeValue(
  value:
    | RegisteredBroker
    | (Replica & { readonly epoch: Epoch; readonly addresses: BrokerAddresses })
    | { readonly uuid: string; readonly replicas: number }
    | { readonly epoch: Epoch; readonly members: readonly Replica[] },
): Buffer {
  return Buffer.from(JSON.stringify(value))
}
