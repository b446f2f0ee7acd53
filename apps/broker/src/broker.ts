import type { Listing, RetentionRules, WantedFloor } from '@gomq/engine'
import { encodeFrame, epoch, GomqError, type Offset, PacketType, type RetentionPolicy } from '@gomq/protocol'
import { type Log, openLog, type ReadRequest, type ReadResult } from '@gomq/storage'
import type { BrokerOptions } from './broker-options.js'
import { CleaningTurns } from './cleaning-turns.js'
import { DiskSpace } from './disk-space.js'
import type { Door } from './door.js'
import { EngineDriver, type EngineDriverOptions } from './engine-driver.js'
import { SHUTDOWN_SNAPSHOT_BYTES } from './limits.js'
import type { PolicyDryRun } from './policy-dry-run.js'
import type { DoorReader, DoorSubscription, ReadingDoor } from './reading-door.js'
import { recoverState } from './recovery.js'
import type { Timer } from './scheduler.js'
import { SnapshotWriter } from './snapshot-writer.js'
import { SyncWaiters } from './sync-waiters.js'
import type { Wire, WireHandler } from './wire.js'

/** How often the broker's own doors show the engine that they live. */
const DOOR_PING_INTERVAL_MS = 60_000

/** `recovering` until clients may come, `stopping` from {@link Broker.shutdown} on, `failed` after a bug or a storage failure. */
export type BrokerState = 'recovering' | 'serving' | 'stopping' | 'stopped' | 'failed'

/**
 * A broker on its log, without sockets, files and clock of its own: those are given to it. The program and the simulator run this
 * same class.
 *
 *     const broker = await Broker.open(options)     // recovers; clients may come
 *     const handler = broker.accept(wire)           // for each client
 *     await broker.shutdown()
 */
export class Broker {
  readonly #options: BrokerOptions
  #state: BrokerState = 'recovering'
  #log!: Log
  #driver!: EngineDriver
  #snapshots!: SnapshotWriter
  #disk!: DiskSpace
  #cleaning: CleaningTurns | undefined
  #door!: Door
  #doorPing: Timer | undefined
  readonly #syncWaiters = new SyncWaiters()

  private constructor(options: BrokerOptions) {
    this.#options = options
  }

  /**
   * Opens the log, recovers the state, and begins a new epoch. When it settles, the epoch's first record is on disk and clients
   * may be accepted.
   *
   * @throws GomqError DATA_DIR_LOCKED, CORRUPT_LOG, UNSUPPORTED_FORMAT, STORAGE_FAILED
   */
  static async open(options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options)
    await broker.#open()
    return broker
  }

  get state(): BrokerState {
    return this.#state
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
      ...this.#driver.engine.stats,
      ...this.#disk.stats,
      ...this.#cleaning?.stats,
      logStartOffset,
      highWatermark,
    }
  }

  /** How much room the disk has, and whether publishes are refused for want of it. */
  get disk(): Pick<DiskSpace, 'noRoom' | 'isFull'> {
    return this.#disk
  }

  /** The broker's own client, for HTTP. */
  get door(): Door {
    return this.#door
  }

  /** What is kept and who is there, for people to look at. */
  get listing(): Listing {
    return this.#driver.engine.listing
  }

  /** Names of the topics that the log's indexes in memory know, some more than once; a live walk. */
  knownTopics(): Iterable<string> {
    return this.#log.knownTopics()
  }

  /** Reads a subscription through a door of its own; events go to `reader`, some of them before this returns. */
  openReadingDoor(name: string, subscription: DoorSubscription, reader: DoorReader): ReadingDoor {
    return this.#driver.openReadingDoor(name, subscription, reader)
  }

  nowMs(): number {
    return this.#options.scheduler.nowMs()
  }

  /** Takes a new client; the wire's events go to the answer. One that comes when the broker does not serve is told so. */
  accept(wire: Wire): WireHandler {
    if (this.#state === 'serving') return this.#driver.accept(wire)
    const message = `the broker is ${this.#state}; connect again later`
    wire.write([encodeFrame({ type: PacketType.DISCONNECT, code: 'SHUTTING_DOWN', message })])
    wire.end()
    return { handleBytes: () => undefined, handleProgress: () => undefined, handleClosed: () => undefined }
  }

  /**
   * Keeps a retention policy, in place of one with the same filter; settles when it holds.
   * @throws GomqError  as `Engine.putPolicy` refuses it; SHUTTING_DOWN when the broker does not serve
   */
  putPolicy(policy: RetentionPolicy): Promise<void> {
    return this.#command(() => this.#driver.engine.putPolicy(policy, this.nowMs()))
  }

  /**
   * Removes a retention policy; settles when it is gone.
   * @throws GomqError NO_SUCH_POLICY; SHUTTING_DOWN when the broker does not serve
   */
  removePolicy(filter: string): Promise<void> {
    return this.#command(() => this.#driver.engine.removePolicy(filter, this.nowMs()))
  }

  /** What a survey of the log goes by. */
  retentionRules(): RetentionRules {
    return this.#driver.engine.retentionRules()
  }

  /**
   * Takes the floors that a survey of the rules with this version asks for; settles when those that rose hold.
   * @throws GomqError SHUTTING_DOWN  when the broker does not serve
   */
  handleSurvey(floors: readonly WantedFloor[], version: number): Promise<void> {
    return this.#command(() => void this.#driver.engine.handleSurvey(floors, version, this.nowMs()))
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
   * Stops in order: reads no more from clients, waits until what they sent is on disk and acknowledged, says goodbye, waits until the
   * wires have closed, closes the log. Nobody may be accepted any more. Again, or after a failure: nothing happens.
   *
   * @throws GomqError DISK_FULL  the disk is full and stayed so for 2 s: what was not acknowledged is not stored, and the broker has failed
   */
  async shutdown(): Promise<void> {
    if (this.#state !== 'serving') return
    this.#state = 'stopping'
    this.#doorPing?.cancel()
    this.#log.hurry()
    await this.#cleaning?.stop()
    this.#driver.stopReading()
    await this.#synced(this.#log.logEndOffset)
    this.#driver.step(() => this.#driver.engine.shutdown(this.nowMs()))
    this.#door.close()
    await this.#driver.wiresClosed()
    await this.#synced(this.#log.logEndOffset)
    this.#snapshots.hurry()
    if (this.#snapshots.bytesSince >= SHUTDOWN_SNAPSHOT_BYTES) this.#snapshots.begin()
    await this.#snapshots.idle()
    this.#disk.stop()
    this.#driver.stop()
    await this.#log.close()
    this.#state = 'stopped'
  }

  /** Ends at once, as the end of the process would: nobody is told, nothing is promised any more, the directory is free. For tests. */
  async crash(): Promise<void> {
    if (this.#state !== 'serving') return
    this.#state = 'failed'
    this.#doorPing?.cancel()
    this.#disk?.stop()
    const cleaned = this.#cleaning?.stop()
    this.#driver.stop()
    this.#door.close()
    // A turn of the cleaner may be among those who wait.
    this.#syncWaiters.fail(new GomqError('STORAGE_FAILED', 'the broker has failed'))
    await cleaned
    // On a disk that has crashed as well, nothing can be closed and nothing needs to be.
    await this.#log.close().catch(() => undefined)
  }

  async #open(): Promise<void> {
    const { fs, directory, crc32, random, scheduler, segmentBytes, tailCacheBytes, log: brokerLog } = this.#options
    this.#disk = new DiskSpace({
      fs,
      directory,
      scheduler,
      brokerLog,
      reserveBytes: () => this.#options.diskReserveBytes ?? 2 * (segmentBytes + this.#snapshots.newestBytes),
      onRoom: (noRoom) => this.#driver.step(() => this.#driver.engine.handleRoom(noRoom)),
    })
    const startedMs = this.nowMs()
    let sealedMs = startedMs
    let openedMs = startedMs
    this.#log = await openLog({
      fs,
      directory,
      crc32,
      random,
      segmentBytes,
      tailCacheBytes,
      onRecovered: (part) => {
        openedMs = this.nowMs()
        if (part === 'sealed') sealedMs = openedMs
      },
      pause: (ms) => new Promise((resolve) => scheduler.schedule(ms, resolve)),
      onSynced: (offset) => this.#handleSynced(offset),
      onFull: (error) => {
        this.#disk.handleFull(error)
        this.#cleaning?.handleFull(error !== undefined)
      },
      onFailure: (error) => this.#fail(error),
    })
    const log = this.#log
    log.setHighWatermark(log.syncedOffset)
    const lastEpoch = log.epochStarts.at(-1)?.epoch ?? 0
    this.#driver = new EngineDriver({
      engine: this.#engineOptions(lastEpoch + 1),
      log,
      scheduler,
      brokerLog,
      unsyncedBytesMax: this.#options.unsyncedBytesMax,
      onAppended: (bytes) => {
        this.#snapshots.handleAppended(bytes)
        this.#disk.handleAppended(bytes)
        this.#cleaning?.handleAppended(bytes)
      },
      onFailure: (error) => this.#fail(error instanceof Error ? error : new Error(String(error))),
    })
    const { engine } = this.#driver
    this.#snapshots = new SnapshotWriter({
      fs,
      directory,
      crc32,
      engine,
      log,
      scheduler,
      brokerLog,
      intervalBytes: this.#options.snapshotIntervalBytes,
    })
    const recovered = await recoverState({ fs, directory, crc32, log, engine, brokerLog, nowMs: () => this.nowMs() })
    await this.#snapshots.look()
    this.#driver.step(() => engine.start(this.nowMs()))
    await this.#synced(log.logEndOffset)
    // Brokers that never live for long would replay more at each start.
    this.#snapshots.handleAppended(recovered.replayedBytes)
    await this.#disk.start()
    this.#startCleaning()
    this.#door = this.#driver.openDoor('http')
    this.#pingDoor()
    this.#state = 'serving'
    brokerLog.info(
      {
        storeId: log.storeId,
        epoch: lastEpoch + 1,
        highWatermark: log.highWatermark,
        segmentsMs: sealedMs - startedMs,
        activeMs: openedMs - sealedMs,
        ...recovered,
      },
      'the log is recovered',
    )
  }

  #startCleaning(): void {
    const { cleaner, scheduler, log: brokerLog, cleanIntervalMs: intervalMs, segmentBytes } = this.#options
    if (cleaner === undefined) return
    const parts = { log: this.#log, cleaner, snapshots: this.#snapshots, scheduler, brokerLog }
    this.#cleaning = new CleaningTurns({
      ...parts,
      intervalMs,
      segmentBytes,
      retentionRules: () => this.retentionRules(),
      retainedOffsets: () => this.listing.retainedOffsets(),
      handleSurvey: (floors, version) => this.handleSurvey(floors, version),
      handleLogStart: (offset) => this.#driver.step(() => this.#driver.engine.handleLogStart(offset)),
    })
    this.#cleaning.start()
  }

  #engineOptions(epochNumber: number): EngineDriverOptions['engine'] {
    const { brokerId, brokerVersion, crc32, inflate, random, messageBytesMax, retainedTopicsMax, authorizer } =
      this.#options
    const { logStartOffset, logEndOffset, lastAppendTimeMs } = this.#log
    return {
      brokerId,
      brokerVersion,
      epoch: epoch(epochNumber),
      crc32,
      ...(inflate !== undefined && { inflate }),
      random,
      limits: { messageBytesMax, retainedTopicsMax },
      durability: 'synced',
      logStartOffset,
      logEndOffset,
      lastAppendTimeMs,
      ...(authorizer !== undefined && { authorizer }),
    }
  }

  #handleSynced(offset: Offset): void {
    if (this.#state === 'failed') return
    this.#driver?.handleSynced(offset)
    this.#syncWaiters.handleSynced(offset)
  }

  /** Has the engine append something, and waits until that is committed. */
  async #command(run: () => void): Promise<void> {
    if (this.#state !== 'serving') throw new GomqError('SHUTTING_DOWN', `the broker is ${this.#state}; try again later`)
    const endOffset = await new Promise<Offset>((resolve, reject) =>
      this.#driver.step(() => {
        try {
          run()
          resolve(this.#log.logEndOffset)
        } catch (error) {
          // Refused: no bug.
          if (!(error instanceof GomqError)) throw error
          reject(error)
        }
      }),
    )
    await this.#synced(endOffset)
  }

  async #synced(offset: Offset): Promise<void> {
    if (this.#state === 'failed') throw new GomqError('STORAGE_FAILED', 'the broker has failed')
    if (this.#log.syncedOffset < offset) await this.#syncWaiters.wait(offset)
  }

  #fail(error: Error): void {
    if (this.#state === 'failed') return
    this.#state = 'failed'
    this.#doorPing?.cancel()
    this.#disk?.stop()
    void this.#cleaning?.stop()
    const code = error instanceof GomqError ? error.code : 'INTERNAL'
    this.#driver?.abandon(code, 'the broker has failed and stops; its log says why')
    this.#syncWaiters.fail(error)
    this.#options.onFailure(error)
  }

  #pingDoor(): void {
    this.#doorPing = this.#options.scheduler.schedule(DOOR_PING_INTERVAL_MS, () => {
      this.#door.ping()
      this.#pingDoor()
    })
  }
}
