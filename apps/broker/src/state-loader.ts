import type { CommittedState } from '@gomq/engine'
import { type Crc32, GomqError, type Offset } from '@gomq/protocol'
import { type FileSystem, type Log, loadSnapshot } from '@gomq/storage'
import type { BrokerLog } from './broker-log.js'
import { type RecoveredState, recoverState } from './recovery.js'
import type { LoadedState } from './roles.js'
import type { SnapshotWriter } from './snapshot-writer.js'

/** Where states come from. */
export interface StateLoaderOptions {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
  readonly log: Log
  readonly snapshots: SnapshotWriter
  readonly brokerLog: BrokerLog
  nowMs(): number
}

/** Fills empty states from the snapshots beside a log, and from the log. */
export class StateLoader {
  readonly #options: StateLoaderOptions
  #recovered: RecoveredState | undefined

  constructor(options: StateLoaderOptions) {
    this.#options = options
  }

  /** What the last recovery read, once; for the log. */
  takeRecovered(): RecoveredState | undefined {
    const recovered = this.#recovered
    this.#recovered = undefined
    return recovered
  }

  /** From the newest snapshot and the log, up to the high watermark. @throws GomqError  as `loadSnapshot` and `Log.read` */
  async recover(state: CommittedState): Promise<LoadedState> {
    const recovered = await recoverState({ ...this.#options, state })
    await this.#options.snapshots.look()
    this.#recovered = recovered
    return { appliedOffset: recovered.replayedTo, wholeFrom: 0 as Offset }
  }

  /**
   * From a snapshot that was installed, and nothing else: what the log has to say behind it may still have to come.
   * @throws GomqError CORRUPT_LOG  there is none
   */
  async loadInstalled(state: CommittedState): Promise<LoadedState> {
    const { log, snapshots } = this.#options
    const { logStartOffset, snapshotNeededFrom } = log
    const range = { logStartOffset, snapshotNeededFrom, logEndOffset: Number.MAX_SAFE_INTEGER as Offset }
    const snapshot = await loadSnapshot({ ...this.#options, log: range })
    if (snapshot === undefined) throw new GomqError('CORRUPT_LOG', 'the snapshot that was installed is gone')
    for (const entry of snapshot.entries) state.restore(entry)
    await snapshots.look()
    return { appliedOffset: snapshot.beginOffset, wholeFrom: snapshot.endOffset }
  }
}
