import type { ClusterStatus, ReplicaRole, Replication, ReplicationHandler } from '@gomq/cluster'
import { epoch, type Offset } from '@gomq/protocol'
import type { Log } from '@gomq/storage'
import type { SimDisk } from '@gomq/storage/testing'
import { expect } from 'vitest'
import type { Broker } from '../../src/broker.js'
import type { BrokerOptions, ReplicationParts } from '../../src/broker-options.js'
import type { Roles } from '../../src/roles.js'
import { memoryDisk, openBroker } from './memory-broker.js'

const ADDRESSES = { http: '', replication: '' }

/** Replication by hand: the test says who leads, what is copied and what commits. */
export class MemoryReplication implements Replication {
  role: ReplicaRole = 'joining'
  /** Whether the lease stands. */
  isLeaseValid = true
  /** Whether what is synced on the leader commits at once. */
  commitsAtOnce = true
  readonly said: string[] = []
  readonly id: string
  readonly #parts: ReplicationParts
  #epoch = 0

  constructor(id: string, parts: ReplicationParts) {
    this.id = id
    this.#parts = parts
  }

  get log(): Log {
    return this.#parts.log
  }

  get handler(): ReplicationHandler {
    return this.#parts.handler
  }

  get appliedOffset(): Offset {
    return this.#parts.appliedOffset()
  }

  /** The state, as it would be written into a snapshot. */
  get entries(): string[] {
    const state = (this.#parts.handler as Roles).snapshotState()
    if (state === undefined) return []
    return [...state.snapshotEntries()].map((entry) => Buffer.from(entry).toString('hex')).sort()
  }

  get status(): ClusterStatus {
    const { highWatermark } = this.log
    const common = { clusterUuid: 'c', replicas: 2, epoch: epoch(this.#epoch), leaderId: undefined, trouble: undefined }
    return { ...common, role: this.role, highWatermark, brokers: [] }
  }

  async start(): Promise<void> {
    this.said.push('start')
  }

  handleWritten(): void {
    // What is on disk counts.
  }

  handleSynced(): void {
    if (this.role === 'leader' && this.commitsAtOnce) this.commit(this.log.syncedOffset)
  }

  mayAcknowledge(): boolean {
    return this.role === 'leader' && this.isLeaseValid
  }

  async resign(): Promise<void> {
    this.said.push(`resign at ${this.log.logEndOffset === this.log.highWatermark ? 'the end' : 'a loss'}`)
    this.follow(undefined)
  }

  async stop(): Promise<void> {
    this.said.push('stop')
  }

  lead(number: number): void {
    this.role = 'leader'
    this.#epoch = number
    this.handler.handleLeading(epoch(number))
    this.handleSynced()
  }

  follow(leader: MemoryReplication | undefined): void {
    this.role = 'member'
    this.handler.handleFollowing(
      leader && { id: leader.id, addresses: { ...ADDRESSES, tcp: `${leader.id}:9000` }, epoch: epoch(leader.#epoch) },
    )
  }

  commit(to: Offset): void {
    if (to > this.log.highWatermark) this.log.setHighWatermark(to)
    this.handler.handleCommitted(to)
  }

  suspend(isSuspended: boolean): void {
    this.isLeaseValid = !isSuspended
    this.handler.handleSuspended(isSuspended)
  }

  /** Copies what the leader has and this one has not, and commits what has committed there. */
  async copyFrom(leader: MemoryReplication): Promise<void> {
    const { log } = this
    for (let at = log.logEndOffset; at < leader.log.syncedOffset; ) {
      const { batches, nextOffset } = await leader.log.read({ from: at, to: leader.log.syncedOffset, bytesMax: 1e6 })
      for (const batch of batches) log.append(Uint8Array.from(batch))
      at = nextOffset
    }
    await expect.poll(() => log.syncedOffset).toBe(log.logEndOffset)
    this.commit(leader.log.highWatermark)
    await expect.poll(() => this.appliedOffset).toBe(log.highWatermark)
  }

  /** Drops what nobody else has. */
  async truncate(to: Offset): Promise<void> {
    await this.log.truncate(to)
    this.handler.handleTruncated(to)
  }
}

/** A broker of a cluster that the test moves. */
export async function openMember(
  id: string,
  options: Partial<BrokerOptions> & { disk?: SimDisk; isFilling?: boolean } = {},
): Promise<{ broker: Broker; replication: MemoryReplication; disk: SimDisk }> {
  const { disk = memoryDisk(), isFilling = false, ...rest } = options
  let replication: MemoryReplication | undefined
  const cluster: BrokerOptions['cluster'] = {
    isFilling,
    replicate: (parts) => {
      replication = new MemoryReplication(id, parts)
      return replication
    },
  }
  const broker = await openBroker({ brokerId: id, disk, ...rest, cluster })
  return { broker, replication: replication!, disk }
}
