import type { ClusterStatus, Replication } from '@gomq/cluster'
import type { CommittedState, Listing, RetentionRules, WantedFloor } from '@gomq/engine'
import { type Epoch, encodeFrame, GomqError, type Offset, PacketType, type RetentionPolicy } from '@gomq/protocol'
import type { Log, ReadRequest, ReadResult } from '@gomq/storage'
import type { BrokerOptions, ReplicationParts } from './broker-options.js'
import type { BrokerState } from './broker-state.js'
import { CleaningTurns } from './cleaning-turns.js'
import { clusterStats } from './cluster-stats.js'
import { DiskSpace } from './disk-space.js'
import type { Door } from './door.js'
import { LEAVING_TIMEOUT_MS, SHUTDOWN_SNAPSHOT_BYTES } from './limits.js'
import { type OpenedLog, openBrokerLog } from './opened-log.js'
import type { PolicyDryRun } from './policy-dry-run.js'
import type { DoorReader, DoorSubscription, ReadingDoor } from './reading-door.js'
import type { RecoveredState } from './recovery.js'
import { makeReign, type Reign } from './reign.js'
import { endReign } from './reign-end.js'
import { type Leader, Roles } from './roles.js'
import { atMost } from './scheduler.js'
import { SnapshotWriter } from './snapshot-writer.js'
import { SoloReplication } from './solo-replication.js'
import { StateLoader } from './state-loader.js'
import type { Wire, WireHandler } from './wire.js'

/** How long it lives: from {@link Broker.open} to the end, whatever its roles. */
type Phase = 'starting' | 'running' | 'stopping' | 'stopped' | 'failed'

/**
 * A broker on its log, without sockets, files and clock of its own: those are given to it. The program and the simulator run this
 * same class. Here is what lives as long as the process; what comes and goes with leadership is in `Roles`.
 *
 *     const broker = await Broker.open(options)     // recovers; clients may come
 *     const handler = broker.accept(wire)           // for each client
 *     await broker.shutdown()
 */
export class Broker {
  readonly #options: BrokerOptions
  #phase: Phase = 'starting'
  #log!: Log
  #roles!: Roles
  #replication!: Replication
  #snapshots!: SnapshotWriter
  #disk!: DiskSpace
  #cleaning: CleaningTurns | undefined
  #loader!: StateLoader
  #times: OpenedLog['times'] | undefined
  /** Settles {@link open} of a broker alone. */
  #opening: { resolve(): void; reject(error: Error): void } | undefined

  private constructor(options: BrokerOptions) {
    this.#options = options
  }

  /**
   * Opens the log and recovers the state. A broker alone begins a new epoch: when it settles, the epoch's first record is on disk and clients
   * may be accepted. In a cluster it joins, and {@link state} tells; when it settles, the other brokers can reach it.
   *
   * @throws GomqError DATA_DIR_LOCKED, CORRUPT_LOG, UNSUPPORTED_FORMAT, STORAGE_FAILED; CONFIG_INVALID of the replication's address
   */
  static async open(options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options)
    await broker.#open()
    return broker
  }

  get state(): BrokerState {
    if (this.#phase !== 'running') return this.#phase === 'starting' ? 'recovering' : this.#phase
    if (this.#roles.isServing) return 'serving'
    if (this.#roles.isSuspended) return 'suspended'
    return this.#roles.isFollowing ? 'following' : 'recovering'
  }

  get id(): string {
    return this.#options.brokerId
  }

  /** Who leads, if it is another broker of the cluster and known. */
  get leader(): Leader | undefined {
    return this.#roles.leader
  }

  /** The cluster as this broker sees it; one of itself for a broker alone. */
  get cluster(): ClusterStatus {
    return this.#replication.status
  }

  get logStartOffset(): Offset {
    return this.#log.logStartOffset
  }

  /** End of what is committed, exclusive. */
  get highWatermark(): Offset {
    return this.#log.highWatermark
  }

  /** Counts of the moment: connections, subscriptions, ... */
  get stats(): Readonly<Record<string, number>> {
    const { logStartOffset, highWatermark } = this
    return {
      ...this.#roles.stats,
      ...this.#disk.stats,
      ...this.#cleaning?.stats,
      logStartOffset,
      highWatermark,
      ...(this.#options.cluster !== undefined && clusterStats(this.cluster, this.#log, this.#roles)),
    }
  }

  /** How much room the disk has, and whether publishes are refused for want of it. */
  get disk(): Pick<DiskSpace, 'noRoom' | 'isFull'> {
    return this.#disk
  }

  /**
   * The broker's own client, for HTTP, which waits for nothing that may take long.
   * @throws GomqError NOT_LEADER  another broker leads
   * @throws GomqError NO_LEADER   nobody leads, or this one, and has to ask etcd first whether it still does
   */
  get door(): Door {
    const door = this.#roles.reign?.door
    if (door === undefined || this.#roles.isSuspended) throw this.#roles.refusal()
    return door
  }

  /** What is kept and who is there, for people to look at. @throws GomqError NOT_LEADER, NO_LEADER  the broker does not lead */
  get listing(): Listing {
    return this.#reign().driver.engine.listing
  }

  /** Names of the topics that the log's indexes in memory know, some more than once; a live walk. */
  knownTopics(): Iterable<string> {
    return this.#log.knownTopics()
  }

  /**
   * Reads a subscription through a door of its own; events go to `reader`, some of them before this returns.
   * @throws GomqError NOT_LEADER, NO_LEADER  the broker does not lead
   */
  openReadingDoor(name: string, subscription: DoorSubscription, reader: DoorReader): ReadingDoor {
    return this.#reign().driver.openReadingDoor(name, subscription, reader)
  }

  nowMs(): number {
    return this.#options.scheduler.nowMs()
  }

  /** Takes a new client; the wire's events go to the answer. One that comes when the broker does not serve is told so, and who does. */
  accept(wire: Wire): WireHandler {
    if (this.state === 'serving') return this.#reign().driver.accept(wire)
    const { code, message } = this.#refusal()
    wire.write([encodeFrame({ type: PacketType.DISCONNECT, code, message, leader: this.#roles.leaderAddress })])
    wire.end()
    return { handleBytes: () => undefined, handleProgress: () => undefined, handleClosed: () => undefined }
  }

  /**
   * Keeps a retention policy, in place of one with the same filter; settles when it holds.
   * @throws GomqError  as `Engine.putPolicy` refuses it; SHUTTING_DOWN, NOT_LEADER or NO_LEADER when the broker does not serve
   */
  async putPolicy(policy: RetentionPolicy): Promise<void> {
    await this.#serving().putPolicy(policy)
  }

  /**
   * Removes a retention policy; settles when it is gone.
   * @throws GomqError NO_SUCH_POLICY; SHUTTING_DOWN, NOT_LEADER or NO_LEADER when the broker does not serve
   */
  async removePolicy(filter: string): Promise<void> {
    await this.#serving().removePolicy(filter)
  }

  /** What a survey of the log goes by. @throws GomqError NOT_LEADER, NO_LEADER  the broker does not know it at the moment */
  retentionRules(): RetentionRules {
    const rules = this.#roles.retentionRules()
    if (rules === undefined) throw this.#roles.refusal()
    return rules
  }

  /**
   * Takes the floors that a survey of the rules with this version asks for; settles when those that rose hold.
   * @throws GomqError SHUTTING_DOWN, NOT_LEADER, NO_LEADER  when the broker does not serve
   */
  async handleSurvey(floors: readonly WantedFloor[], version: number): Promise<void> {
    await this.#serving().handleSurvey(floors, version)
  }

  /** What a policy would remove; undefined where nothing is ever removed. */
  get policyDryRun(): PolicyDryRun | undefined {
    return this.#cleaning?.dryRun
  }

  /** Reads committed batches, as `Log.read` does. */
  read(request: ReadRequest): Promise<ReadResult> {
    return this.#log.read(request)
  }

  /**
   * Stops in order: reads no more from clients, waits until what they sent is committed and acknowledged, says goodbye, hands leadership over, waits
   * until the wires have closed, closes the log. Nobody may be accepted any more. Again, or after a failure: nothing happens.
   *
   * @throws GomqError DISK_FULL  the disk is full and stayed so for 2 s: what was not acknowledged is not stored, and the broker has failed
   */
  async shutdown(): Promise<void> {
    if (this.#phase !== 'running') return
    const { scheduler, cluster } = this.#options
    this.#phase = 'stopping'
    this.#log.hurry()
    await this.#cleaning?.stop()
    this.#roles.stop()
    const { reign } = this.#roles
    if (reign !== undefined) await endReign(reign, this.#replication, this.#log, scheduler, cluster === undefined)
    if (this.state === 'failed') throw new GomqError('STORAGE_FAILED', 'the broker has failed')
    await this.#replication.stop()
    this.#snapshots.hurry()
    if (this.#snapshots.bytesSince >= SHUTDOWN_SNAPSHOT_BYTES) this.#snapshots.begin()
    await this.#snapshots.idle()
    this.#disk.stop()
    this.#roles.reign?.driver.stop()
    this.#roles.end()
    await this.#log.close()
    this.#phase = 'stopped'
  }

  /** Ends at once, as the end of the process would: nobody is told, nothing is promised any more, the directory is free. */
  async crash(): Promise<void> {
    if (this.#phase !== 'running') return
    this.#phase = 'failed'
    this.#disk.stop()
    const cleaned = this.#cleaning?.stop()
    // A turn of the cleaner may be among those who wait.
    this.#roles.reign?.crash(new GomqError('STORAGE_FAILED', 'the broker has failed'))
    this.#roles.end()
    await Promise.all([cleaned, this.#replication.stop()])
    // On a disk that has crashed as well, nothing can be closed and nothing needs to be.
    await this.#log.close().catch(() => undefined)
  }

  async #open(): Promise<void> {
    const { fs, directory, crc32, scheduler, segmentBytes, log: brokerLog, cluster, brokerId } = this.#options
    this.#disk = new DiskSpace({
      fs,
      directory,
      scheduler,
      brokerLog,
      reserveBytes: () => this.#options.diskReserveBytes ?? 2 * (segmentBytes + this.#snapshots.newestBytes),
      onRoom: (noRoom) => this.#roles?.reign?.handleRoom(noRoom),
    })
    const { log, times } = await openBrokerLog(this.#options, {
      onWritten: () => this.#replication?.handleWritten(),
      onSynced: (offset) => this.#handleSynced(offset),
      onFull: (error) => {
        this.#disk.handleFull(error)
        this.#cleaning?.handleFull(error !== undefined)
      },
      onFailure: (error) => this.#fail(error),
    })
    this.#log = log
    this.#times = times
    const intervalBytes = this.#options.snapshotIntervalBytes
    const state = () => this.#roles.snapshotState()
    const snapshots = new SnapshotWriter({ fs, directory, crc32, scheduler, brokerLog, intervalBytes, state })
    this.#snapshots = snapshots
    this.#loader = new StateLoader({ fs, directory, crc32, log, snapshots, brokerLog, nowMs: () => this.nowMs() })
    const roles = this.#makeRoles()
    this.#roles = roles
    await roles.loaded()
    const quietly: ReplicationParts['quietly'] = (work) => this.#quietly(work)
    const parts: ReplicationParts = { log, handler: roles, appliedOffset: () => roles.appliedOffset, quietly }
    const about = { brokerId, version: this.#options.brokerVersion, startedAtMs: this.nowMs() }
    this.#replication = cluster?.replicate(parts) ?? new SoloReplication({ ...parts, ...about })
    if (cluster === undefined) await this.#begun()
    else this.#countRecovered()
    await this.#disk.start()
    this.#startCleaning()
    this.#phase = 'running'
    if (cluster !== undefined) await this.#replication.start().catch((error) => this.#giveUp(error))
  }

  async #giveUp(error: unknown): Promise<never> {
    await this.crash()
    throw error
  }

  /** Has a broker alone begin its reign, and waits until it serves. */
  #begun(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#opening = { resolve, reject }
      this.#replication.start().catch(reject)
    })
  }

  #quietly<T>(work: () => Promise<T>): Promise<T> {
    const alone = () => this.#snapshots.quietly(work)
    return this.#cleaning?.alone(alone) ?? alone()
  }

  #startCleaning(): void {
    const { cleaner, scheduler, log: brokerLog, cleanIntervalMs: intervalMs, segmentBytes } = this.#options
    if (cleaner === undefined) return
    const parts = { cleaner, scheduler, brokerLog, intervalMs, segmentBytes }
    this.#cleaning = new CleaningTurns({
      ...parts,
      log: this.#log,
      snapshots: this.#snapshots,
      retentionRules: () => this.#roles.retentionRules(),
      retainedOffsets: () => this.#roles.retainedOffsets(),
      mayRaiseFloors: () => this.#roles.isServing,
      handleSurvey: (floors, version) => this.handleSurvey(floors, version),
      handleLogStart: (offset) => this.#roles.reign?.handleLogStart(offset),
    })
    this.#cleaning.start()
  }

  #makeRoles(): Roles {
    return new Roles({
      log: this.#log,
      snapshots: this.#snapshots,
      isFilling: this.#options.cluster?.isFilling ?? false,
      recover: (state) => this.#loader.recover(state),
      loadInstalled: (state) => this.#loader.loadInstalled(state),
      makeReign: (epoch, state) => this.#makeReign(epoch, state),
      onServing: (reign) => this.#handleServing(reign),
      onFolded: (bytes) => this.#handleGrown(bytes),
      onFailure: (error) => {
        // Before there is a replication it is the opening that fails.
        if (this.#replication !== undefined) this.#fail(error)
      },
    })
  }

  #makeReign(epoch: Epoch, state: CommittedState): Reign {
    return makeReign(this.#options, this.#log, epoch, state, {
      onAppended: (bytes) => this.#handleGrown(bytes),
      mayAcknowledge: () => this.#replication.mayAcknowledge(),
      onFailure: (error) => this.#fail(error instanceof Error ? error : new Error(String(error))),
    })
  }

  #handleServing(reign: Reign): void {
    const recovered = this.#countRecovered()
    if (this.#disk.noRoom !== undefined) reign.handleRoom(this.#disk.noRoom)
    reign.openDoor()
    const { storeId, highWatermark } = this.#log
    const { epoch } = this.cluster
    if (this.#options.cluster !== undefined) this.#options.log.info({ epoch, highWatermark }, 'this broker leads')
    else this.#options.log.info({ storeId, epoch, highWatermark, ...this.#times, ...recovered }, 'the log is recovered')
    this.#opening?.resolve()
  }

  /** Brokers that never live for long would replay more at each start. */
  #countRecovered(): RecoveredState | undefined {
    const recovered = this.#loader.takeRecovered()
    if (recovered !== undefined) this.#snapshots.handleAppended(recovered.replayedBytes)
    return recovered
  }

  #handleGrown(bytes: number): void {
    this.#snapshots.handleAppended(bytes)
    this.#disk.handleAppended(bytes)
    this.#cleaning?.handleAppended(bytes)
  }

  #handleSynced(offset: Offset): void {
    if (this.#phase === 'failed') return
    this.#replication?.handleSynced(offset)
    this.#roles?.handleSynced(offset)
  }

  #reign(): Reign {
    const { reign } = this.#roles
    if (reign === undefined || this.#phase === 'starting') throw this.#roles.refusal()
    return reign
  }

  #serving(): Reign {
    if (this.state !== 'serving') throw this.#refusal()
    return this.#reign()
  }

  /** Why nobody is served now. */
  #refusal(): GomqError {
    if (this.#phase === 'running') return this.#roles.refusal()
    return new GomqError('SHUTTING_DOWN', `the broker is ${this.state}; connect again later`)
  }

  #fail(error: Error): void {
    if (this.#phase === 'failed') return
    this.#phase = 'failed'
    this.#disk?.stop()
    void this.#cleaning?.stop()
    const code = error instanceof GomqError ? error.code : 'INTERNAL'
    const told = new GomqError(code, 'the broker has failed and stops; its log says why')
    this.#roles?.reign?.end(told, null, error)
    this.#roles?.end()
    this.#opening?.reject(error)
    const tell = (): void => this.#options.onFailure(error)
    if (this.#options.cluster === undefined || this.#replication === undefined) tell()
    else void atMost(this.#options.scheduler, LEAVING_TIMEOUT_MS, this.#replication.stop()).then(tell)
  }
}
