import { GomqError, type Offset, type Random, randomInteger } from '@gomq/protocol'
import type { Clock, ScheduledCall } from './clock.js'
import { statusOf } from './cluster-status.js'
import type { BrokerAddresses } from './cluster-view.js'
import type { Coordinator } from './coordinator.js'
import { CoordinatorRounds } from './coordinator-rounds.js'
import type { LinkId, Ready } from './core/ready.js'
import { Replica } from './core/replica.js'
import { RETRY_MS, TICK_MS } from './limits.js'
import { isNoRoom, isRefused, type LogChange, LogChanges } from './log-changes.js'
import { type RecoveryWord, recoverCluster } from './recovery.js'
import type { ReplicaLog, ReplicaRecord, ReplicaRecordStore, SnapshotStore } from './replica-log.js'
import type { ClusterStatus, ReplicaRole, Replication, ReplicationHandler } from './replication.js'
import { SnapshotSending } from './snapshot-transfer.js'
import type { Link, LinkHandler, Transport } from './transport.js'

/** What {@link ClusterReplication} works with. */
export interface ClusterReplicationOptions {
  /** Of the broker, one for each in the cluster, and the same after a restart. */
  readonly id: string
  readonly addresses: BrokerAddresses
  /** Of the software. */
  readonly version: string
  /** n of a cluster that is formed; of one that exists, what it was formed with counts. */
  readonly replicas: number
  /** When the process started, ms since 1970; for people to look at. */
  readonly startedAtMs?: number
  /** Time to live of the lease, ms. */
  readonly leaseMs: number
  /** How long a member may be behind before it leaves the in-sync set, ms. */
  readonly lagMs: number
  readonly coordinator: Coordinator
  readonly transport: Transport
  readonly log: ReplicaLog
  readonly snapshots: SnapshotStore
  readonly records: ReplicaRecordStore
  /** An operator's word that the cluster goes on with this copy: see `recoverCluster`. `onDone` says whether there was need. */
  readonly recovery?: { readonly word: RecoveryWord; onDone(wasNeeded: boolean): void } | undefined
  readonly clock: Clock
  readonly random: Random
  readonly handler: ReplicationHandler
  /** Where the broker's state goes on: what it has folded. 0 if there is none. */
  appliedOffset(): Offset
}

/**
 * One broker's part in a cluster. It decides nothing: inputs go to the `Replica`, and what that has ready is done in order over the ports.
 *
 * Everything that happens comes from a port: the coordinator's answers, the transport's messages, the log's `onSynced`, the clock.
 */
export class ClusterReplication implements Replication {
  readonly #options: ClusterReplicationOptions
  readonly #changes: LogChanges
  readonly #sending: SnapshotSending
  readonly #links: Map<LinkId, Link> = new Map()
  /** Gives up the links that do not stand yet. */
  readonly #opening: Map<LinkId, () => void> = new Map()
  /** Undefined until the record is loaded. */
  #replica: Replica | undefined
  #rounds: CoordinatorRounds | undefined
  #tick: ScheduledCall | undefined
  #isPumping = false
  #isOver = false
  #resigned: (() => void) | undefined

  constructor(options: ClusterReplicationOptions) {
    this.#options = options
    this.#changes = new LogChanges(options.log, options.snapshots, options.handler)
    this.#sending = new SnapshotSending(options.snapshots)
  }

  /** What this broker is at the moment. */
  get role(): ReplicaRole {
    return this.#replica?.role ?? 'joining'
  }

  /** The cluster as this broker sees it. */
  get status(): ClusterStatus {
    const { id, addresses, version, startedAtMs, replicas, log } = this.#options
    const coordinatorFailedMs =
      this.#rounds?.failedSinceMs === undefined ? undefined : this.#nowMs() - this.#rounds.failedSinceMs
    return statusOf(
      { id, addresses, version, startedAtMs, replicas, log, replica: this.#replica, coordinatorFailedMs },
      this.#nowMs(),
    )
  }

  /** Joins the cluster. The listener stands when it settles, and so before the broker is registered; who comes before it can answer is sent away. */
  async start(): Promise<void> {
    await this.#options.transport.listen((link) => this.#accept(link))
    this.#join().catch((error) => this.#fail(error))
  }

  /** The log has more that is written: members get it while it is being synced here. Settles when it has left, if it comes from memory. */
  handleWritten(): Promise<void> | void {
    if (this.#replica?.leadership === undefined) return
    this.#input((replica) => replica.leadership?.handleWritten())
    return this.#options.transport.flushed?.()
  }

  /** The log has more on disk. */
  handleSynced(_syncedOffset: Offset): void {
    this.#input((replica, nowMs) => replica.handleSynced(nowMs))
  }

  /** Whether this broker leads and its lease stands at this moment (R17). */
  mayAcknowledge(): boolean {
    return this.#replica?.mayAcknowledge(this.#nowMs()) ?? false
  }

  /**
   * Passes leadership on; settles when this broker leads no more, or `timeoutMs` has passed: then it goes on leading, as the members did not
   * confirm in time. At once on one that does not lead.
   */
  async resign(timeoutMs: number): Promise<void> {
    if (this.#replica?.leadership === undefined) return
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.schedule(timeoutMs, () => {
        this.#input((replica) => replica.leadership?.stay())
        resolve()
      })
      this.#resigned = () => {
        timer.cancel()
        resolve()
      }
      this.#input((replica, nowMs) => replica.resign(nowMs))
    })
    this.#resigned = undefined
  }

  /** Leaves: the lease is revoked, links are closed, and the listener last (others take its end for the end of the process). Again: nothing. */
  async stop(): Promise<void> {
    if (this.#isOver) return
    this.#input((replica, nowMs) => replica.leave(nowMs))
    await this.#end()
  }

  async #join(): Promise<void> {
    const { id, replicas, lagMs, leaseMs, log, records, coordinator, clock } = this.#options
    if (this.#isOver) return
    await this.#recover()
    const record = await records.load()
    if (this.#isOver) return
    const { appliedOffset } = this.#options
    const replica = new Replica({ id, replicas, lagMs, restMs: leaseMs, appliedOffset }, log, record)
    this.#replica = replica
    this.#rounds = new CoordinatorRounds({
      coordinator,
      clock,
      replica,
      leaseMs,
      registration: () => ({
        ...replica.self,
        addresses: this.#options.addresses,
        version: this.#options.version,
        startedAtMs: this.#options.startedAtMs,
        isEmpty: replica.isEmpty,
      }),
      newUuid: () => this.#newUuid(),
      pump: () => this.#pump(),
    })
    this.#rounds.start()
    this.#tick = clock.schedule(TICK_MS, () => this.#handleTick())
  }

  async #recover(): Promise<void> {
    const { recovery } = this.#options
    if (recovery !== undefined) recovery.onDone(await recoverCluster({ ...this.#options, word: recovery.word }))
  }

  async #end(): Promise<void> {
    this.#isOver = true
    this.#tick?.cancel()
    this.#resigned?.()
    for (const giveUp of this.#opening.values()) giveUp()
    this.#opening.clear()
    for (const link of [...this.#links.values()]) link.close()
    await this.#rounds?.stop()
    await this.#sending.closeAll()
    await this.#changes.abandon().catch(() => undefined)
    await this.#options.coordinator.close()
    await this.#options.transport.close()
  }

  #handleTick(): void {
    if (this.#isOver) return
    this.#tick = this.#options.clock.schedule(TICK_MS, () => this.#handleTick())
    this.#input((replica, nowMs) => replica.handleTick(nowMs))
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }

  /** Gives something to the replica, then does what it has ready. */
  #input(hear: (replica: Replica, nowMs: number) => void): void {
    if (this.#replica === undefined || this.#isOver) return
    try {
      hear(this.#replica, this.#nowMs())
    } catch (error) {
      return this.#fail(error)
    }
    this.#pump()
  }

  /** Does what is ready, in order. What comes in meanwhile from within is done behind it. */
  #pump(): void {
    if (this.#isPumping || this.#replica === undefined) return
    this.#isPumping = true
    try {
      for (let ready = this.#replica.takeReady(); ready.length > 0; ready = this.#replica.takeReady())
        for (const item of ready) if (!this.#isOver) this.#carryOut(item)
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isPumping = false
    }
    if (this.#replica.leadership === undefined) this.#resigned?.()
  }

  #carryOut(item: Ready): void {
    const { log, handler } = this.#options
    switch (item.kind) {
      case 'persist':
        return this.#await(this.#save(item.record), (replica, _, nowMs) => replica.handlePersisted(nowMs))
      case 'form':
        return this.#await(this.#rounds!.form(item))
      case 'campaign':
        return this.#await(this.#rounds!.campaign(item))
      case 'changeInSync':
        return this.#await(this.#rounds!.changeInSync(item))
      case 'removeLeader':
        return this.#await(this.#rounds!.removeLeader(item.leaderRevision))
      case 'readView':
        return this.#rounds!.readView()
      case 'dropLease':
        return this.#await(this.#rounds!.dropLease(item.leaseId))
      case 'probe':
        return this.#probe(item.address, item.leaderRevision)
      case 'openLink':
        return this.#open(item.link, item.address)
      case 'closeLink':
        this.#opening.get(item.link)?.()
        this.#opening.delete(item.link)
        return this.#links.get(item.link)?.close()
      case 'send':
        return this.#links.get(item.link)?.send(item.message)
      case 'readLog':
        return this.#readFor(item.link, log.readForMember(item.from, item.bytesMax), (replica, piece) =>
          replica.leadership?.handleLogRead(item.link, piece),
        )
      case 'openSnapshot':
        return this.#readFor(item.link, this.#sending.open(item.link), (replica, file) =>
          replica.leadership?.handleSnapshotOpened(item.link, file),
        )
      case 'readSnapshot':
        return this.#readFor(item.link, this.#sending.read(item.link, item.position, item.length), (replica, bytes) => {
          if (bytes !== undefined) replica.leadership?.handleSnapshotRead(item.link, bytes)
        })
      case 'closeSnapshot':
        return this.#await(this.#sending.close(item.link))
      case 'append':
        return log.append(item.batch)
      case 'beginSnapshot':
        return this.#changes.beginSnapshot(item.beginOffset, () => this.#input((replica) => replica.handleChunkTaken()))
      case 'addChunk':
        return this.#changes.addChunk(item.bytes)
      case 'commit':
        if (item.offset <= log.highWatermark) return
        log.setHighWatermark(item.offset)
        return handler.handleCommitted(item.offset)
      case 'lead':
        return handler.handleLeading(item.epoch)
      case 'follow':
        return handler.handleFollowing(item.leader)
      case 'suspend':
        return handler.handleSuspended(item.isSuspended)
      case 'fail':
        return this.#fail(item.error)
      default:
        return this.#await(this.#change(item), (replica, isDone, nowMs) => replica.handleLogChanged(isDone, nowMs))
    }
  }

  /** Saves the record, as soon as there is room for it: until then nothing is done that rests on it. */
  async #save(record: ReplicaRecord): Promise<void> {
    while (!this.#isOver) {
      try {
        return await this.#options.records.save(record)
      } catch (error) {
        if (!isNoRoom(error)) throw error
        await this.#pause()
      }
    }
  }

  /** @returns whether it was done; if not, there is no room for it or it was damaged, and the log is as it was */
  async #change(change: LogChange): Promise<boolean> {
    try {
      await this.#changes.carryOut(change)
      return true
    } catch (error) {
      if (!isRefused(change, error)) throw error
      await this.#changes.abandon()
      await this.#pause()
      return false
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.schedule(RETRY_MS, resolve))
  }

  /** Waits for something that must not fail. */
  #await<T>(work: Promise<T>, then?: (replica: Replica, result: T, nowMs: number) => void): void {
    work.then(
      (result) => {
        if (then !== undefined) this.#input((replica, nowMs) => then(replica, result, nowMs))
      },
      (error) => this.#fail(error),
    )
  }

  /** Waits for something that is read for a member; when that fails, only its link ends. */
  #readFor<T>(link: LinkId, work: Promise<T>, then: (replica: Replica, result: T) => void): void {
    work.then(
      (result) => this.#input((replica) => then(replica, result)),
      () => this.#input((replica) => replica.leadership?.handleLinkClosed(link)),
    )
  }

  #accept(link: Link): LinkHandler {
    if (this.#replica === undefined || this.#isOver) {
      link.close()
      return { handleMessage: () => undefined, handleDrained: () => undefined, handleClosed: () => undefined }
    }
    return this.#handlerOf(this.#replica.acceptLink(), link)
  }

  #open(id: LinkId, address: string): void {
    const giveUp = this.#options.transport.open(
      address,
      (link) => {
        this.#opening.delete(id)
        const handler = this.#handlerOf(id, link)
        this.#input((replica, nowMs) => replica.handleLinkOpened(id, nowMs))
        return handler
      },
      (failure) => {
        this.#opening.delete(id)
        const reason = failure === 'refused' ? failure : undefined
        this.#input((replica, nowMs) => replica.handleLinkClosed(id, nowMs, reason))
      },
    )
    this.#opening.set(id, giveUp)
  }

  #handlerOf(id: LinkId, link: Link): LinkHandler {
    this.#links.set(id, link)
    return {
      handleMessage: (message) => this.#input((replica, nowMs) => replica.handleMessage(id, message, nowMs)),
      handleDrained: () => undefined,
      handleClosed: () => {
        this.#links.delete(id)
        this.#input((replica, nowMs) => replica.handleLinkClosed(id, nowMs))
      },
    }
  }

  /** Whether somebody listens: a link is opened and closed again. */
  #probe(address: string, leaderRevision: number): void {
    const tell = (result: 'open' | 'refused' | 'failed') =>
      this.#input((replica, nowMs) => replica.handleProbed(leaderRevision, result, nowMs))
    this.#options.transport.open(
      address,
      (link) => {
        link.close()
        tell('open')
        return { handleMessage: () => undefined, handleDrained: () => undefined, handleClosed: () => undefined }
      },
      tell,
    )
  }

  #fail(error: unknown): void {
    if (this.#isOver) return
    const reason = GomqError.from(error)
    this.#replica?.fail(reason)
    this.#isOver = true
    this.#options.handler.handleFailure(reason)
    this.#end().catch(() => undefined)
  }

  #newUuid(): string {
    const part = () => randomInteger(this.#options.random, 0, 0x1_0000_0000).toString(16).padStart(8, '0')
    return part() + part() + part() + part()
  }
}
