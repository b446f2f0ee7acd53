import type { Crc32, Offset } from '@gomq/protocol'
import { type FileSystem, keptSnapshots, writeSnapshot } from '@gomq/storage'
import type { BrokerLog } from './broker-log.js'
import type { Scheduler } from './scheduler.js'

/** A state that a snapshot can be made of. */
export interface SnapshotState {
  /** The state is that of this offset. */
  readonly appliedOffset: Offset
  /** Everything that has committed; a live walk. */
  snapshotEntries(): Iterable<Uint8Array>
}

/** What is written where, and how often. */
export interface SnapshotWriterOptions {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
  /** The state as it is now; undefined while there is none that can be written. */
  state(): SnapshotState | undefined
  readonly scheduler: Scheduler
  readonly brokerLog: BrokerLog
  /** Log between two snapshots. */
  readonly intervalBytes: number
}

/** Why a walk over a state ends that is no longer the broker's. */
class Abandoned extends Error {}

/**
 * Writes a snapshot of the broker's state each time the log has grown by so much, so that a start has little to replay. The walk
 * goes on while the broker serves; recovery replays from the offset where the walk began.
 */
export class SnapshotWriter {
  readonly #options: SnapshotWriterOptions
  #bytesSince = 0
  #writing: Promise<void> | undefined
  #newestBytes = 0
  #newestBeginOffset = 0 as Offset
  #olderBeginOffset = 0 as Offset
  /** Rises when the state is no longer that of the walk. */
  #generation = 0
  /** Those who want nothing to be written now. */
  #quiet = 0
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

  /** Where the newest snapshot begins; 0 without one. */
  get newestBeginOffset(): Offset {
    return this.#newestBeginOffset
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
    this.#newestBeginOffset = kept.at(-1)?.beginOffset ?? (0 as Offset)
    this.#olderBeginOffset = kept.at(-2)?.beginOffset ?? (0 as Offset)
  }

  /** The log has grown; begins a snapshot if it is time for one and none is being written. */
  handleAppended(bytes: number): void {
    this.#bytesSince += bytes
    if (this.#bytesSince >= this.#options.intervalBytes && this.#writing === undefined) this.begin()
  }

  /** Begins a snapshot now, unless one is being written. A failure is logged and tried again after the next interval: the log still has everything. */
  begin(): void {
    const state = this.#options.state()
    if (this.#writing !== undefined || this.#quiet > 0 || state === undefined) return
    this.#bytesSince = 0
    this.#writing = this.#write(state).finally(() => {
      this.#writing = undefined
    })
  }

  /** The broker's state is another one now: what is being written is given up. */
  abandon(): void {
    this.#generation++
  }

  /** Gives up what is being written, and begins nothing until `work` has settled. */
  async quietly<T>(work: () => Promise<T>): Promise<T> {
    this.abandon()
    this.#quiet++
    try {
      await this.idle()
      return await work()
    } finally {
      this.#quiet--
    }
  }

  /** Nobody else wants a turn any more: the walk goes on without pauses. */
  hurry(): void {
    this.#isHurried = true
  }

  /** Settles when no snapshot is being written. */
  async idle(): Promise<void> {
    await this.#writing
  }

  async #write(state: SnapshotState): Promise<void> {
    const { fs, directory, crc32, scheduler, brokerLog } = this.#options
    const beginOffset = state.appliedOffset
    const generation = this.#generation
    const check = (): void => {
      if (generation !== this.#generation) throw new Abandoned('the state is no longer that of this broker')
    }
    try {
      await writeSnapshot({
        fs,
        directory,
        crc32,
        beginOffset,
        endOffset: () => {
          check()
          return state.appliedOffset
        },
        entries: checked(state.snapshotEntries(), check),
        nowMs: () => scheduler.nowMs(),
        pause: () => new Promise((resolve) => (this.#isHurried ? resolve() : scheduler.schedule(0, resolve))),
      })
      await this.look()
      brokerLog.debug({ beginOffset }, 'a snapshot of the state was written')
    } catch (error) {
      if (error instanceof Abandoned) return brokerLog.debug({ beginOffset }, 'a snapshot of the state was given up')
      brokerLog.error(
        { err: error, beginOffset },
        'a snapshot of the state could not be written; the next start replays more',
      )
    }
  }
}

/** The entries, as long as `check` does not throw. */
function* checked(entries: Iterable<Uint8Array>, check: () => void): Generator<Uint8Array> {
  for (const entry of entries) {
    check()
    yield entry
  }
}
