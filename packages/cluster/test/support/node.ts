import {
  ClusterReplication,
  type ClusterReplicationOptions,
  type Coordinator,
  type ReplicaRecord,
  type ReplicationHandler,
  type Transport,
} from '@gomq/cluster'
import { MemoryRecordStore, MemoryReplicaLog, MemorySnapshotStore, type StoredLog } from '@gomq/cluster/testing'
import { type Epoch, nextOffsetOf, type Offset, type Random } from '@gomq/protocol'
import type { SeededRandom } from '@gomq/protocol/testing'
import type { ProcessClock } from './process-clock.js'
import { testBatch } from './test-batch.js'

/** What survives a crash. */
export interface Disk {
  readonly log: StoredLog | { readonly storeId: string }
  readonly record: ReplicaRecord | undefined
  readonly snapshot: { readonly beginOffset: Offset; readonly bytes: Uint8Array } | undefined
}

/** What a checker hears of a node, at the moment at which it happens. */
export interface NodeEvents {
  handleLeading(node: Node, epoch: Epoch): void
  handleCommitted(node: Node, highWatermark: Offset): void
  handleFailure(node: Node, error: Error): void
}

/** What a node is made of. */
export interface NodeOptions {
  readonly id: string
  readonly replicas: number
  readonly clock: ProcessClock
  readonly random: Random
  readonly coordinator: Coordinator
  readonly transport: Transport
  readonly disk: Disk
  readonly events: NodeEvents
  readonly recovery?: ClusterReplicationOptions['recovery']
  readonly wrapLog?: (log: MemoryReplicaLog, node: () => Node) => MemoryReplicaLog
}

/** A broker that does nothing but append, fold offsets and commit: the dumbest user of {@link ClusterReplication}. */
export class Node implements ReplicationHandler {
  readonly id: string
  readonly log: MemoryReplicaLog
  readonly records: MemoryRecordStore
  readonly snapshots: MemorySnapshotStore
  readonly replication: ClusterReplication
  readonly clock: ProcessClock
  readonly #random: Random
  readonly #events: NodeEvents
  /** Longest time that a sync takes, ms. */
  syncMsMax = 8
  /** Share of a round after which it is written, and members get it. */
  writeShare = 0.2
  leadingEpoch: Epoch | undefined
  isSuspended = false
  appliedOffset: Offset = 0 as Offset
  failure: Error | undefined
  isResigning = false
  /** By base offset: what this leader has appended for clients and not acknowledged yet. */
  readonly unacked: Map<number, { readonly message: number; readonly epoch: Epoch; readonly nextOffset: Offset }> =
    new Map()
  #isSyncing = false

  constructor(options: NodeOptions) {
    const { id, clock, disk, random } = options
    this.id = id
    this.clock = clock
    this.#random = random
    this.#events = options.events
    const log = new MemoryReplicaLog(disk.log)
    this.log = options.wrapLog?.(log, () => this) ?? log
    this.records = new MemoryRecordStore(disk.record)
    this.snapshots = new MemorySnapshotStore(disk.snapshot)
    const isFilling = disk.record?.isFilling === true
    this.appliedOffset = isFilling ? (0 as Offset) : log.highWatermark
    log.onAppended = () => this.#syncSoon()
    log.onWritten = () => this.replication.handleWritten()
    log.onSynced = (offset) => this.replication.handleSynced(offset)
    const pause = () => this.#sleep(this.#random.next() * this.syncMsMax * 2)
    log.pause = pause
    this.records.pause = pause
    this.replication = new ClusterReplication({
      id,
      addresses: { tcp: `${id}:9000`, http: `${id}:8000`, replication: id },
      version: '0.0.0',
      replicas: options.replicas,
      leaseMs: 5000,
      lagMs: 3000,
      coordinator: options.coordinator,
      transport: options.transport,
      log: this.log,
      snapshots: this.snapshots,
      records: this.records,
      clock,
      random,
      handler: this,
      appliedOffset: () => this.appliedOffset,
      recovery: options.recovery,
    })
  }

  /** Whether it takes publishes. */
  get isServing(): boolean {
    return this.leadingEpoch !== undefined && !this.isSuspended && this.failure === undefined
  }

  /** Appends a message as the leader that it is. */
  append(message: number, records: number): Offset {
    const baseOffset = this.log.logEndOffset
    const batch = testBatch(message, baseOffset, this.leadingEpoch!, records)
    this.unacked.set(baseOffset, { message, epoch: this.leadingEpoch!, nextOffset: nextOffsetOf(batch) })
    this.log.append(batch)
    return nextOffsetOf(batch)
  }

  /** What a crash leaves. @param isTailKept  whether a part of what was not synced has reached the disk all the same */
  crash(random: SeededRandom): Disk {
    this.clock.end()
    const { boundaries, syncedOffset } = this.log
    const tail = boundaries.filter((offset) => offset > syncedOffset)
    const log = this.log.crash(tail.length > 0 && random.chance(0.5) ? random.pick(tail) : undefined)
    return { log, record: this.records.saved, snapshot: this.snapshots.newest }
  }

  handleLeading(epoch: Epoch): void {
    this.leadingEpoch = epoch
    this.isSuspended = false
    this.#events.handleLeading(this, epoch)
    this.append(0, 1)
  }

  handleFollowing(): void {
    this.leadingEpoch = undefined
    this.unacked.clear()
  }

  handleTruncated(to: Offset): void {
    if (this.appliedOffset > to || to > this.log.highWatermark) this.appliedOffset = to
    if (this.log.logStartOffset === to) this.appliedOffset = to
  }

  handleSnapshotInstalled(beginOffset: Offset): void {
    this.appliedOffset = beginOffset
  }

  handleCommitted(highWatermark: Offset): void {
    this.#events.handleCommitted(this, highWatermark)
    if (highWatermark > this.appliedOffset) this.appliedOffset = highWatermark
  }

  handleSuspended(isSuspended: boolean): void {
    this.isSuspended = isSuspended
  }

  handleFailure(error: Error): void {
    this.failure = error
    this.leadingEpoch = undefined
    this.#events.handleFailure(this, error)
  }

  /** Group commit: one round at a time, of what was there when it began; it is written some time before it is synced. */
  #syncSoon(): void {
    if (this.#isSyncing) return
    this.#isSyncing = true
    const end = this.log.logEndOffset
    const syncMs = this.#random.next() * this.syncMsMax
    const writeMs = this.writeShare * syncMs
    this.clock.schedule(writeMs, () => {
      this.log.write(end)
      this.clock.schedule(syncMs - writeMs, () => {
        this.#isSyncing = false
        this.log.sync(end)
        if (this.log.logEndOffset > this.log.syncedOffset) this.#syncSoon()
      })
    })
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.schedule(ms, resolve))
  }
}
