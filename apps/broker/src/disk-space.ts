import { GomqError } from '@gomq/protocol'
import type { FileSystem } from '@gomq/storage'
import type { BrokerLog } from './broker-log.js'
import { DISK_LOOK_INTERVAL_MS, DISK_RESUME_SHARE } from './limits.js'
import type { Scheduler, Timer } from './scheduler.js'

const MIB: number = 1024 * 1024
const WHAT_TO_DO = 'free some space there, and publish again'

/** What looks at the disk, and who is told. */
export interface DiskSpaceOptions {
  readonly fs: FileSystem
  readonly directory: string
  readonly scheduler: Scheduler
  readonly brokerLog: BrokerLog
  /** Bytes that publishes leave free; asked at each look, since snapshots grow. */
  reserveBytes(): number
  /** Publishes are to be refused with this from now on; undefined: no longer. */
  onRoom(noRoom: GomqError | undefined): void
}

/**
 * Watches the free space of the data directory and keeps a reserve: below it publishes are refused, so that acknowledgements, control
 * records, snapshots and the cleaner, which may be what makes room again, still have some.
 *
 *     free:   |.......... publishes ..........|.. a little more to resume ..|.. reserve: acknowledgements, cleaner ..| 0
 *                                                                           refused from here              log waits here
 *
 * It looks about once a second, and at once when what was written since has used up what was free above the reserve.
 */
export class DiskSpace {
  readonly #options: DiskSpaceOptions
  /** At the last look; undefined before the first, and where nobody can tell. */
  #freeBytes: number | undefined
  #reserveBytes = 0
  #writtenBytes = 0
  #isLooking = false
  #isUnknown = false
  #isLow = false
  #stalled: GomqError | undefined
  #timer: Timer | undefined
  #isStopped = false

  constructor(options: DiskSpaceOptions) {
    this.#options = options
  }

  /** Counts of the moment; without the free bytes where nobody can tell or nothing bounds them. */
  get stats(): Readonly<Record<string, number>> {
    return {
      ...(this.#freeBytes !== undefined && Number.isFinite(this.#freeBytes) && { diskFreeBytes: this.#freeBytes }),
      diskReserveBytes: this.#reserveBytes,
      isDiskLow: Number(this.#isLow),
      isDiskFull: Number(this.#stalled !== undefined),
    }
  }

  /** Why publishes are refused; undefined: they are not. */
  get noRoom(): GomqError | undefined {
    if (this.#stalled !== undefined) return new GomqError('DISK_FULL', `the disk of the broker is full; ${WHAT_TO_DO}`)
    return this.#isLow ? this.#lowError() : undefined
  }

  /** Whether nothing at all is written now: the log itself waits for room. */
  get isFull(): boolean {
    return this.#stalled !== undefined
  }

  /** The first look; then others until {@link stop}. */
  async start(): Promise<void> {
    await this.#look()
    this.#lookLater()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** The log has grown. */
  handleAppended(bytes: number): void {
    this.#writtenBytes += bytes
    if (this.#freeBytes === undefined || this.#isLow || this.#isLooking) return
    if (this.#freeBytes - this.#writtenBytes < this.#reserveBytes) void this.#look()
  }

  /** The log waits for room; undefined: it goes on. */
  handleFull(error: GomqError | undefined): void {
    const { directory, brokerLog } = this.#options
    this.#stalled = error
    if (error === undefined) brokerLog.info({ directory }, 'the disk has room again: what waited is stored')
    else brokerLog.error({ directory, reason: error.message }, 'the disk is full: nothing is stored until it has room')
    this.#tell()
    void this.#look()
  }

  async #look(): Promise<void> {
    if (this.#isLooking || this.#isStopped) return
    this.#isLooking = true
    const { fs, directory, brokerLog, reserveBytes } = this.#options
    try {
      this.#writtenBytes = 0
      this.#freeBytes = await fs.freeBytes(directory)
    } catch (error) {
      this.#freeBytes = undefined
      if (!this.#isUnknown)
        brokerLog.warn({ err: error, directory }, 'the free space of the disk is not known; no reserve is kept')
      this.#isUnknown = true
    }
    this.#isLooking = false
    if (this.#isStopped) return
    this.#reserveBytes = reserveBytes()
    this.#judge()
  }

  #judge(): void {
    const { directory, brokerLog } = this.#options
    const freeBytes = this.#freeBytes ?? Number.POSITIVE_INFINITY
    const wasLow = this.#isLow
    this.#isLow = freeBytes < (wasLow ? this.#resumeBytes : this.#reserveBytes)
    if (!this.#isLow && !wasLow) return
    this.#tell()
    if (this.#isLow === wasLow) return
    const fields = { directory, freeBytes: this.#freeBytes, reserveBytes: this.#reserveBytes }
    if (this.#isLow) brokerLog.error(fields, 'the disk is nearly full: publishes are refused until there is room')
    else brokerLog.info(fields, 'the disk has room again: publishes are taken')
  }

  #tell(): void {
    this.#options.onRoom(this.noRoom)
  }

  /** A little above the reserve, so that what is published then does not end in a refusal at once. */
  get #resumeBytes(): number {
    return Math.ceil(this.#reserveBytes * (1 + DISK_RESUME_SHARE))
  }

  #lowError(): GomqError {
    const freeBytes = this.#freeBytes ?? 0
    const missing = Math.max(1, Math.ceil((this.#resumeBytes - freeBytes) / MIB))
    return new GomqError(
      'DISK_FULL',
      `the disk of the broker has ${Math.floor(freeBytes / MIB)} MiB free and keeps ${Math.ceil(this.#reserveBytes / MIB)} MiB for acknowledgements and cleaning, ` +
        `which is ${missing} MiB too little; ${WHAT_TO_DO}, or lower --disk-reserve-bytes`,
    )
  }

  #lookLater(): void {
    if (this.#isStopped) return
    this.#timer = this.#options.scheduler.schedule(DISK_LOOK_INTERVAL_MS, () => {
      void this.#look().then(() => this.#lookLater())
    })
  }
}
