import type { Engine } from '@gomq/engine'
import type { Crc32, Offset } from '@gomq/protocol'
import { type FileSystem, keptSnapshots, type Log, writeSnapshot } from '@gomq/storage'
import type { BrokerLog } from './broker-log.js'
import type { Scheduler } from './scheduler.js'

/** What is written where, and how often. */
export interface SnapshotWriterOptions {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
  readonly engine: Engine
  readonly log: Log
  readonly scheduler: Scheduler
  readonly brokerLog: BrokerLog
  /** Log between two snapshots. */
  readonly intervalBytes: number
}

/**
 * Writes a snapshot of the engine's state each time the log has grown by so much, so that a start has little to replay. The walk
 * goes on while the broker serves; recovery replays from the offset where the walk began.
 */
export class SnapshotWriter {
  readonly #options: SnapshotWriterOptions
  #bytesSince = 0
  #writing: Promise<void> | undefined
  #newestBytes = 0
  #olderBeginOffset = 0 as Offset
  #isHurried = false

  constructor(options: SnapshotWriterOptions) {
    this.#options = options
  }

  /** Bytes appended since the last snapshot began. */
  get bytesSince(): number {
    return this.#bytesSince
  }

  /** Bytes of the newest snapshot on disk, as of the last {@link look}; 0 if there is none. */
  get newestBytes(): number {
    return this.#newestBytes
  }

  /**
   * Where the older of the two newest snapshots begins; 0 without two. Whatever happens to one of them, the state at this offset is kept,
   * so that control records below it are needed no more.
   */
  get olderBeginOffset(): Offset {
    return this.#olderBeginOffset
  }

  /** Looks which snapshots are there. */
  async look(): Promise<void> {
    const kept = await keptSnapshots(this.#options.fs, this.#options.directory)
    this.#newestBytes = kept.at(-1)?.bytes ?? 0
    this.#olderBeginOffset = kept.at(-2)?.beginOffset ?? (0 as Offset)
  }

  /** The log has grown; begins a snapshot if it is time for one and none is being written. */
  handleAppended(bytes: number): void {
    this.#bytesSince += bytes
    if (this.#bytesSince >= this.#options.intervalBytes && this.#writing === undefined) this.begin()
  }

  /** Begins a snapshot now, unless one is being written. A failure is logged and tried again after the next interval: the log still has everything. */
  begin(): void {
    if (this.#writing !== undefined) return
    this.#bytesSince = 0
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** Nobody else wants a turn any more: the walk goes on without pauses. */
  hurry(): void {
    this.#isHurried = true
  }

  /** Settles when no snapshot is being written. */
  async idle(): Promise<void> {
    await this.#writing
  }

  async #write(): Promise<void> {
    const { fs, directory, crc32, engine, log, scheduler, brokerLog } = this.#options
    const beginOffset = log.highWatermark
    try {
      await writeSnapshot({
        fs,
        directory,
        crc32,
        beginOffset,
        endOffset: () => log.highWatermark,
        entries: engine.snapshotEntries(),
        nowMs: () => scheduler.nowMs(),
        pause: () => new Promise((resolve) => (this.#isHurried ? resolve() : scheduler.schedule(0, resolve))),
      })
      await this.look()
      brokerLog.debug({ beginOffset }, 'a snapshot of the state was written')
    } catch (error) {
      brokerLog.error(
        { err: error, beginOffset },
        'a snapshot of the state could not be written; the next start replays more',
      )
    }
  }
}
