import type { Broker } from '@gomq/broker'
import {
  ClusterReplication,
  type ReplicaLog,
  type ReplicaRecordStore,
  type Replication,
  type ReplicationHandler,
  type SnapshotStore,
} from '@gomq/cluster'
import type { MemoryTransport, SimCoordinatorClient } from '@gomq/cluster/testing'
import { baseOffsetOf, GomqError, nextOffsetOf, type Offset } from '@gomq/protocol'
import { type Log, replicaLog, snapshotStore } from '@gomq/storage'
import type { FaultyFileSystem } from '../faulty-file-system.js'
import type { World } from '../world.js'
import type { ClusterPorts } from './cluster-ports.js'
import { plantedCoordinator, plantedLog, plantedTransport } from './planted-ports.js'
import { ProcessClock } from './process-clock.js'
import type { Copy } from './witness.js'

const LEASE_MS = 5_000
const LAG_MS = 3_000
const READ_BYTES = 64 * 1024

type BrokerOptions = Parameters<typeof Broker.open>[0]
type Parts = Parameters<NonNullable<BrokerOptions['cluster']>['replicate']>[0]

/** What a process needs to know of its machine. */
export interface Host {
  readonly id: string
  readonly wallOffsetMs: number
  storeId: string
}

/** One life of a broker's process: its clock, files, links and calls end with it. What it commits is compared with what others have. */
export class BrokerLife {
  readonly clock: ProcessClock
  readonly fs: FaultyFileSystem
  readonly client: SimCoordinatorClient
  broker: Broker | undefined
  log: Log | undefined
  /** Its log, once it is open. */
  copy: Copy | undefined
  isStopping = false
  /** Until when it does not reach the coordinator. */
  cutOffUntilMs = 0
  readonly #world: World
  readonly #ports: ClusterPorts
  readonly #host: Host
  readonly #transport: MemoryTransport
  #isOver = false
  #epoch: number | undefined
  #comparedTo = 0
  #isComparing = false
  #isUnreadable = false

  constructor(world: World, ports: ClusterPorts, host: Host, mount: (clock: ProcessClock) => FaultyFileSystem) {
    this.#world = world
    this.#ports = ports
    this.#host = host
    this.clock = new ProcessClock(world.clock, host.wallOffsetMs)
    this.fs = mount(this.clock)
    this.client = ports.coordinator.client(this.clock)
    this.#transport = ports.network.transport(host.id, this.clock)
  }

  /** Whether it leads, as far as it knows. */
  get isLeading(): boolean {
    return this.#epoch !== undefined
  }

  /** The process is gone. */
  end(): void {
    this.#isOver = true
    this.clock.end()
    this.fs.kill()
    this.#transport.crash()
    this.client.crash()
  }

  /** Makes the replication as the program does. */
  replicate({ log, handler, appliedOffset, quietly }: Parts, records: ReplicaRecordStore): Replication {
    const { crc32, random, plant } = this.#world
    const { id } = this.#host
    this.log = log
    this.copy = { name: id, marks: log }
    this.#host.storeId = log.storeId
    const replicated = replicaLog(log)
    const emptied: ReplicaLog = Object.create(replicated, {
      reset: { value: (offset: Offset) => quietly(() => replicated.reset(offset)) },
    })
    const snapshots = snapshotStore({ fs: this.fs, directory: 'data', crc32 })
    const planted = {
      ...{ plant, id, log, isLeading: () => this.isLeading },
      epoch: () => replication.status.epoch,
      replicas: () => this.#ports.replicas(),
    }
    const replication = new ClusterReplication({
      id,
      addresses: { tcp: id, http: '', replication: id },
      version: '0.0.0',
      replicas: this.#ports.count,
      leaseMs: LEASE_MS,
      lagMs: LAG_MS,
      coordinator: plantedCoordinator(this.client, planted),
      transport: plantedTransport(this.#transport, planted),
      log: plantedLog(emptied, planted),
      snapshots: {
        open: () => snapshots.open(),
        install: (...snapshot: Parameters<SnapshotStore['install']>) => quietly(() => snapshots.install(...snapshot)),
      },
      records,
      clock: this.clock,
      random,
      handler: this.#witnessed(handler, log),
      appliedOffset,
    })
    return replication
  }

  /** Compares everything below the high watermark with what others have had; settles when that is done. */
  async compareAll(): Promise<void> {
    while (this.#isComparing) await this.#world.clock.sleep(10)
    this.#comparedTo = 0
    await this.#compare()
  }

  #witnessed(handler: ReplicationHandler, log: Log): ReplicationHandler {
    const { trace, witness } = this.#world
    const { id } = this.#host
    return {
      handleLeading: (epoch) => {
        this.#epoch = epoch
        trace.add(id, `leads epoch ${epoch}, high watermark ${log.highWatermark} of ${log.logEndOffset}`)
        witness!.handleLeading(id, epoch, log)
        handler.handleLeading(epoch)
      },
      handleFollowing: (leader) => {
        this.#epoch = undefined
        trace.add(id, `follows ${leader?.id ?? 'nobody'}, high watermark ${log.highWatermark} of ${log.logEndOffset}`)
        handler.handleFollowing(leader)
      },
      handleTruncated: (to) => {
        trace.add(id, `cuts its log at ${to}`)
        this.#comparedTo = Math.min(this.#comparedTo, to)
        handler.handleTruncated(to)
      },
      handleSnapshotInstalled: (offset) => {
        trace.add(id, `has a snapshot from ${offset}`)
        handler.handleSnapshotInstalled(offset)
      },
      handleCommitted: (highWatermark) => {
        if (this.#epoch !== undefined)
          witness!.handleCommitted({
            id,
            epoch: this.#epoch,
            marks: log,
            highWatermark,
            hasLostTime: this.clock.hasLostTime,
          })
        handler.handleCommitted(highWatermark)
        void this.#compare()
      },
      handleSuspended: (isSuspended) => {
        trace.add(id, isSuspended ? 'is suspended' : 'is suspended no more')
        handler.handleSuspended(isSuspended)
      },
      handleFailure: (error) => handler.handleFailure(error),
    }
  }

  async #compare(): Promise<void> {
    const { log } = this
    if (this.#isComparing || log === undefined) return
    this.#isComparing = true
    try {
      while (!this.#isOver && this.#comparedTo < log.highWatermark) await this.#comparePiece(log)
    } catch (error) {
      // The log may have been emptied, cleaned at its begin, or closed, under the read.
      const isOfNobody = error instanceof GomqError && /CLOSED|OFFSET_OUT_OF_RANGE|STORAGE_FAILED/.test(error.code)
      if (!isOfNobody && !this.#isOver && !/EIO/.test(String(error)))
        this.#reportUnreadable(`${this.#host.id} cannot read its log from ${this.#comparedTo} on: ${String(error)}`)
    }
    this.#isComparing = false
  }

  #reportUnreadable(what: string): void {
    this.#world.trace.add(this.#host.id, what)
    if (!this.#isUnreadable) this.#world.report('logs stay readable', what)
    this.#isUnreadable = true
  }

  async #comparePiece(log: Log): Promise<void> {
    const { id } = this.#host
    const to = log.highWatermark
    const from = Math.max(this.#comparedTo, log.logStartOffset) as Offset
    if (from >= to) {
      this.#comparedTo = to
      return
    }
    const { batches, nextOffset, isThinned } = await log.read({ from, to, bytesMax: READ_BYTES })
    if (this.#isOver) return
    let next = from as number
    for (const batch of batches) {
      if (!isThinned && baseOffsetOf(batch) > next)
        this.#world.report('one committed prefix', `${id} has nothing from ${next} to ${baseOffsetOf(batch)}`)
      next = nextOffsetOf(batch)
      this.#world.witness!.compare(id, batch)
    }
    this.#comparedTo = Math.max(nextOffset, from)
  }
}
