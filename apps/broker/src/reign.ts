import type { CommittedState, RetentionRules, WantedFloor } from '@gomq/engine'
import { type Epoch, GomqError, type Offset, type RetentionPolicy } from '@gomq/protocol'
import type { Log } from '@gomq/storage'
import type { BrokerOptions } from './broker-options.js'
import type { Door } from './door.js'
import { EngineDriver, type EngineDriverOptions } from './engine-driver.js'
import type { RetainedOffsets } from './pinned-offsets.js'
import type { Scheduler, Timer } from './scheduler.js'
import type { SnapshotState } from './snapshot-writer.js'
import { SyncWaiters } from './sync-waiters.js'

/** How often the broker's own doors show the engine that they live. */
const DOOR_PING_INTERVAL_MS = 60_000

/** What a reign is made of. */
export interface ReignOptions extends EngineDriverOptions {
  readonly engine: EngineDriverOptions['engine'] & { readonly state: CommittedState }
  readonly log: Log
  readonly scheduler: Scheduler
}

/** What a broker has while it leads, in one epoch: the engine with its clients and doors. Once it has ended it is of no use any more. */
export class Reign implements SnapshotState {
  readonly driver: EngineDriver
  readonly #log: Log
  readonly #scheduler: Scheduler
  readonly #waiters = new SyncWaiters()
  #committedOffset = 0
  #door: Door | undefined
  #doorPing: Timer | undefined
  #end: Error | undefined
  /** Those whose command has not had its turn. */
  readonly #commands = new Set<(error: Error) => void>()

  constructor(options: ReignOptions) {
    this.driver = new EngineDriver(options)
    this.#log = options.log
    this.#scheduler = options.scheduler
    this.#committedOffset = options.log.highWatermark
  }

  /** Whether clients may come: what the engine begins its epoch with has committed, and with it everything below. */
  get isServing(): boolean {
    return this.#door !== undefined && this.#end === undefined
  }

  /** The broker's own client, for HTTP; undefined until it serves. */
  get door(): Door | undefined {
    return this.#door
  }

  get appliedOffset(): Offset {
    return this.driver.engine.highWatermark
  }

  snapshotEntries(): Iterable<Uint8Array> {
    return this.driver.engine.snapshotEntries()
  }

  /** What the cleaner goes by; undefined while the state holds what may not have committed. */
  retentionRules(): RetentionRules | undefined {
    return this.driver.engine.isLeading ? this.driver.engine.retentionRules() : undefined
  }

  /** What is retained; a live walk. */
  retainedOffsets(): RetainedOffsets {
    return this.driver.engine.retainedOffsets()
  }

  /** Begins the epoch in the log. Settles when that has committed; clients may come then. @throws GomqError  the reign has ended before */
  begin(): Promise<void> {
    return this.#command(() => this.driver.engine.start(this.#scheduler.nowMs()))
  }

  /** Opens the broker's own door. */
  openDoor(): void {
    if (this.#end !== undefined) return
    this.#door = this.driver.openDoor('http')
    this.#pingDoor()
  }

  handleCommitted(highWatermark: Offset): void {
    this.driver.handleCommitted(highWatermark)
    this.driver.step(() => {
      this.#committedOffset = highWatermark
      this.#waiters.handleSynced(highWatermark)
    })
  }

  /** See `Engine.handleRoom`. */
  handleRoom(noRoom: GomqError | undefined): void {
    this.driver.step(() => this.driver.engine.handleRoom(noRoom))
  }

  /** See `Engine.handleLogStart`. */
  handleLogStart(offset: Offset): void {
    this.driver.step(() => this.driver.engine.handleLogStart(offset))
  }

  /** Keeps a retention policy; settles when it holds. @throws GomqError */
  putPolicy(policy: RetentionPolicy): Promise<void> {
    return this.#command(() => this.driver.engine.putPolicy(policy, this.#scheduler.nowMs()))
  }

  /** Removes a retention policy; settles when it is gone. @throws GomqError */
  removePolicy(filter: string): Promise<void> {
    return this.#command(() => this.driver.engine.removePolicy(filter, this.#scheduler.nowMs()))
  }

  /** Takes the floors that a survey asks for; settles when those that rose hold. @throws GomqError */
  handleSurvey(floors: readonly WantedFloor[], version: number): Promise<void> {
    return this.#command(() => void this.driver.engine.handleSurvey(floors, version, this.#scheduler.nowMs()))
  }

  /** Settles when everything below `offset` has committed. @throws GomqError  the reign has ended before */
  async committed(offset: Offset): Promise<void> {
    if (this.#end !== undefined) throw this.#end
    if (this.#committedOffset < offset) await this.#waiters.wait(offset)
  }

  /** The doors close; what clients were promised still goes out. */
  closeDoor(): void {
    this.#doorPing?.cancel()
    this.#door?.close()
  }

  /**
   * Ends the reign: every client is sent away, and what has not committed is acknowledged to nobody. Again: nothing happens.
   * @param told    to the clients
   * @param leader  `host:port` where clients find the broker that leads
   * @param error   for those in the broker who wait
   */
  end(told: GomqError, leader: string | null, error: Error = told): void {
    if (this.#end !== undefined) return
    this.#finish(error)
    this.driver.abandon(told.code, told.message, leader)
  }

  /** Ends it without a word, as the end of the process would. */
  crash(error: Error): void {
    if (this.#end !== undefined) return
    this.#finish(error)
    this.driver.stop()
    this.#door?.close()
  }

  #finish(error: Error): void {
    this.#end = error
    this.#doorPing?.cancel()
    this.#waiters.fail(error)
    for (const reject of this.#commands) reject(error)
    this.#commands.clear()
  }

  /** Has the engine append something, and waits until that is committed. */
  async #command(run: () => void): Promise<void> {
    if (this.#end !== undefined) throw this.#end
    const endOffset = await new Promise<Offset>((resolve, reject) => {
      this.#commands.add(reject)
      this.driver.step(() => {
        this.#commands.delete(reject)
        try {
          run()
          resolve(this.#log.logEndOffset)
        } catch (error) {
          // Refused: no bug.
          if (!(error instanceof GomqError)) throw error
          reject(error)
        }
      })
    })
    await this.committed(endOffset)
  }

  #pingDoor(): void {
    this.#doorPing = this.#scheduler.schedule(DOOR_PING_INTERVAL_MS, () => {
      this.#door?.ping()
      this.#pingDoor()
    })
  }
}

/** Makes the reign of an epoch, on a state that has all of the log. */
export function makeReign(
  options: BrokerOptions,
  log: Log,
  epoch: Epoch,
  state: CommittedState,
  events: Pick<ReignOptions, 'onAppended' | 'mayAcknowledge' | 'onFailure'>,
): Reign {
  const { brokerId, brokerVersion, crc32, inflate, random, messageBytesMax, retainedTopicsMax, authorizer } = options
  const { scheduler, log: brokerLog, unsyncedBytesMax, cluster } = options
  const { logStartOffset, logEndOffset, lastAppendTimeMs } = log
  const engine: ReignOptions['engine'] = {
    brokerId,
    brokerVersion,
    epoch,
    crc32,
    ...(inflate !== undefined && { inflate }),
    random,
    limits: { messageBytesMax, retainedTopicsMax },
    durability: cluster === undefined ? 'synced' : 'replicated',
    logStartOffset,
    logEndOffset,
    lastAppendTimeMs,
    state,
    ...(authorizer !== undefined && { authorizer }),
  }
  return new Reign({ ...events, engine, log, scheduler, brokerLog, unsyncedBytesMax })
}
