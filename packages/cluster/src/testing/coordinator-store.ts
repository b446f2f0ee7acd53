import type { Epoch } from '@gomq/protocol'
import type { Clock } from '../clock.js'
import type { BrokerAddresses, ClusterView, InSyncKey, LeaderKey, RegisteredBroker, Replica } from '../cluster-view.js'
import type { Coordinator, Lease } from '../coordinator.js'

interface HeldLease {
  readonly ttlMs: number
  expiresAtMs: number
}

/** What a candidate writes. */
export type CampaignRequest = Parameters<Coordinator['campaign']>[0]

/** What a leader writes. */
export type InSyncRequest = Parameters<Coordinator['changeInSync']>[0]

/** What a recovery writes. */
export type AppointRequest = Parameters<Coordinator['appoint']>[0]

/** The least that etcd grants, ms. */
const TTL_MS_MIN = 2000

/**
 * One cluster's keys, as etcd keeps them: each write is one revision, leases run out on the store's clock, and what stands under a lease goes with
 * it. Everything happens at once; delays and faults are the client's.
 */
export class CoordinatorStore {
  coordinatorId: string
  #revision = 1
  #leases: Map<string, HeldLease> = new Map()
  #leaseCount = 0
  #cluster: { uuid: string; replicas: number } | undefined
  #inSync: InSyncKey | undefined
  #leader: { readonly key: LeaderKey; readonly leaseId: string } | undefined
  #brokers: Map<string, { readonly broker: RegisteredBroker; readonly leaseId: string }> = new Map()
  readonly #clock: Clock
  readonly #watchers: Set<() => void> = new Set()

  constructor(clock: Clock, coordinatorId: string) {
    this.#clock = clock
    this.coordinatorId = coordinatorId
  }

  /** All keys at this moment. */
  view(): ClusterView {
    this.#expire()
    return {
      coordinatorId: this.coordinatorId,
      revision: this.#revision,
      cluster: this.#cluster,
      inSync: this.#inSync,
      leader: this.#leader?.key,
      brokers: [...this.#brokers.values()].map(({ broker }) => broker),
    }
  }

  /** Grants a lease and registers the broker under it, in the place of an older registration. */
  register(broker: RegisteredBroker, ttlMs: number): Lease {
    this.#expire()
    const granted = Math.max(TTL_MS_MIN, ttlMs)
    const id = `lease-${++this.#leaseCount}`
    this.#leases.set(id, { ttlMs: granted, expiresAtMs: this.#clock.monotonicMs() + granted })
    this.#brokers.set(broker.id, { broker, leaseId: id })
    this.#change()
    return { id, ttlMs: granted }
  }

  /** Renews a lease. @returns what for; 0 if it is gone */
  keepAlive(id: string): number {
    this.#expire()
    const lease = this.#leases.get(id)
    if (lease === undefined) return 0
    lease.expiresAtMs = this.#clock.monotonicMs() + lease.ttlMs
    return lease.ttlMs
  }

  /** Ends a lease, in time or early. */
  revoke(id: string): void {
    this.#expire()
    if (this.#leases.has(id)) this.#drop(id)
  }

  /** @returns whether the cluster was formed by this very write */
  form(cluster: { uuid: string; replicas: number }, members: readonly Replica[]): boolean {
    this.#expire()
    if (this.#cluster !== undefined) return false
    this.#cluster = cluster
    this.#putInSync(0 as Epoch, members)
    return true
  }

  /** R1, as one transaction. @returns whether it was done */
  campaign({ lease, leader, members, inSyncRevision }: CampaignRequest): boolean {
    this.#expire()
    const stands = this.#leader === undefined && this.#inSync?.modRevision === inSyncRevision
    if (!stands || !this.#leases.has(lease.id)) return false
    this.#putInSync(leader.epoch, members)
    const addresses: BrokerAddresses = leader.addresses
    const { id, storeId, epoch } = leader
    const key = { id, storeId, epoch, addresses, createRevision: this.#revision }
    this.#leader = { key, leaseId: lease.id }
    return true
  }

  /** R7, as one transaction. @returns whether it was done */
  changeInSync({ epoch, members, leaderRevision, inSyncRevision }: InSyncRequest): boolean {
    this.#expire()
    const leads = this.#leader?.key.createRevision === leaderRevision
    if (!leads || this.#inSync?.modRevision !== inSyncRevision) return false
    this.#putInSync(epoch, members)
    return true
  }

  /** R19, as one transaction. @returns whether it was done */
  appoint({ cluster, epoch, member, inSyncRevision }: AppointRequest): boolean {
    this.#expire()
    if (this.#leader !== undefined || (this.#inSync?.modRevision ?? 0) !== inSyncRevision) return false
    this.#cluster = cluster
    this.#putInSync(epoch, [member])
    return true
  }

  /** @returns whether that leader's key was there */
  removeLeader(leaderRevision: number): boolean {
    this.#expire()
    if (this.#leader?.key.createRevision !== leaderRevision) return false
    this.#leader = undefined
    this.#change()
    return true
  }

  /** Everything is gone, and it is another etcd. */
  wipe(coordinatorId: string): void {
    this.coordinatorId = coordinatorId
    this.#revision = 1
    this.#leases.clear()
    this.#cluster = this.#inSync = this.#leader = undefined
    this.#brokers.clear()
    this.#tell()
  }

  /** Calls `onChange` after each change. @returns ends it */
  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange)
    return () => void this.#watchers.delete(onChange)
  }

  #putInSync(epoch: Epoch, members: readonly Replica[]): void {
    this.#inSync = {
      epoch,
      members: members.map(({ id, storeId }) => ({ id, storeId })),
      modRevision: this.#revision + 1,
    }
    this.#change()
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [id, lease] of this.#leases) if (lease.expiresAtMs <= nowMs) this.#drop(id)
  }

  #drop(leaseId: string): void {
    this.#leases.delete(leaseId)
    let hasChanged = false
    for (const [id, registered] of this.#brokers)
      if (registered.leaseId === leaseId) hasChanged = this.#brokers.delete(id)
    if (this.#leader?.leaseId === leaseId) {
      this.#leader = undefined
      hasChanged = true
    }
    if (hasChanged) this.#change()
  }

  #change(): void {
    this.#revision++
    this.#tell()
  }

  #tell(): void {
    for (const onChange of this.#watchers) onChange()
  }
}
