import type { Authorizer, Listing } from '@gomq/engine'
import { type Crc32, encodeFrame, epoch, GomqError, type Offset, PacketType, type Random } from '@gomq/protocol'
import { type FileSystem, type Log, openLog, type ReadRequest, type ReadResult } from '@gomq/storage'
import type { BrokerLog } from './broker-log.js'
import type { Door } from './door.js'
import { EngineDriver, type EngineDriverOptions } from './engine-driver.js'
import { SHUTDOWN_SNAPSHOT_BYTES } from './limits.js'
import type { DoorReader, DoorSubscription, ReadingDoor } from './reading-door.js'
import { recoverState } from './recovery.js'
import type { Scheduler, Timer } from './scheduler.js'
import { SnapshotWriter } from './snapshot-writer.js'
import type { Wire, WireHandler } from './wire.js'

/** How often the broker's own doors show the engine that they live. */
const DOOR_PING_INTERVAL_MS = 60_000

/** What a broker is made of. */
export interface BrokerOptions {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
  readonly scheduler: Scheduler
  /** For identities: of the store, and of clients that bring none. */
  readonly random: Random
  readonly log: BrokerLog
  readonly brokerId: string
  readonly brokerVersion: string
  readonly messageBytesMax: number
  readonly retainedTopicsMax: number
  readonly segmentBytes: number
  readonly tailCacheBytes: number
  readonly snapshotIntervalBytes: number
  readonly unsyncedBytesMax: number
  /** Who may do what; everybody everything by default. */
  readonly authorizer?: Authorizer
  /**
   * The broker cannot keep its promises any more: it acknowledges nothing and has closed every connection; the process must end
   * without {@link Broker.shutdown}. Called once at most.
   */
  onFailure(error: Error): void
}

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
  #door!: Door
  #doorPing: Timer | undefined
  /** Those who wait for the log to be durable up to an offset. */
  #syncWaiters: { offset: Offset; resolve: () => void; reject: (error: Error) => void }[] = []

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
    return { ...this.#driver.engine.stats, logStartOffset: this.logStartOffset, highWatermark: this.highWatermark }
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

  /** Reads committed batches, as `Log.read` does. */
  read(request: ReadRequest): Promise<ReadResult> {
    return this.#log.read(request)
  }

  /**
   * Stops in order: reads no more from clients, waits until what they sent is on disk and acknowledged, says goodbye, waits until the
   * wires have closed, closes the log. Nobody may be accepted any more. Again, or after a failure: nothing happens.
   */
  async shutdown(): Promise<void> {
    if (this.#state !== 'serving') return
    this.#state = 'stopping'
    this.#doorPing?.cancel()
    this.#driver.stopReading()
    await this.#synced(this.#log.logEndOffset)
    this.#driver.step(() => this.#driver.engine.shutdown(this.nowMs()))
    this.#door.close()
    await this.#driver.wiresClosed()
    await this.#synced(this.#log.logEndOffset)
    this.#snapshots.hurry()
    if (this.#snapshots.bytesSince >= SHUTDOWN_SNAPSHOT_BYTES) this.#snapshots.begin()
    await this.#snapshots.idle()
    this.#driver.stop()
    await this.#log.close()
    this.#state = 'stopped'
  }

  /** Ends at once, as the end of the process would: nobody is told, nothing is promised any more, the directory is free. For tests. */
  async crash(): Promise<void> {
    if (this.#state !== 'serving') return
    this.#state = 'failed'
    this.#doorPing?.cancel()
    this.#driver.stop()
    this.#door.close()
    // On a disk that has crashed as well, nothing can be closed and nothing needs to be.
    await this.#log.close().catch(() => undefined)
  }

  async #open(): Promise<void> {
    const { fs, directory, crc32, random, scheduler, segmentBytes, tailCacheBytes, log: brokerLog } = this.#options
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
      onSynced: (offset) => this.#handleSynced(offset),
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
      onAppended: (bytes) => this.#snapshots.handleAppended(bytes),
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
    this.#driver.step(() => engine.start(this.nowMs()))
    await this.#synced(log.logEndOffset)
    // Brokers that never live for long would replay more at each start.
    this.#snapshots.handleAppended(recovered.replayedBytes)
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

  #engineOptions(epochNumber: number): EngineDriverOptions['engine'] {
    const { brokerId, brokerVersion, crc32, random, messageBytesMax, retainedTopicsMax, authorizer } = this.#options
    const { logStartOffset, logEndOffset, lastAppendTimeMs } = this.#log
    return {
      brokerId,
      brokerVersion,
      epoch: epoch(epochNumber),
      crc32,
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
    const reached = this.#syncWaiters.filter((waiter) => waiter.offset <= offset)
    this.#syncWaiters = this.#syncWaiters.filter((waiter) => waiter.offset > offset)
    for (const { resolve } of reached) resolve()
  }

  #synced(offset: Offset): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#state === 'failed') reject(new GomqError('STORAGE_FAILED', 'the broker has failed'))
      else if (this.#log.syncedOffset >= offset) resolve()
      else this.#syncWaiters.push({ offset, resolve, reject })
    })
  }

  #fail(error: Error): void {
    if (this.#state === 'failed') return
    this.#state = 'failed'
    this.#doorPing?.cancel()
    const code = error instanceof GomqError ? error.code : 'INTERNAL'
    this.#driver?.abandon(code, 'the broker has failed and stops; its log says why')
    for (const { reject } of this.#syncWaiters) reject(error)
    this.#syncWaiters = []
    this.#options.onFailure(error)
  }

  #pingDoor(): void {
    this.#doorPing = this.#options.scheduler.schedule(DOOR_PING_INTERVAL_MS, () => {
      this.#door.ping()
      this.#pingDoor()
    })
  }
}
