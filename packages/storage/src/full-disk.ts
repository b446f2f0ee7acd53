import { GomqError } from '@gomq/protocol'
import { isSystemError } from './file-system.js'
import { FULL_DISK_GRACE_MS, FULL_DISK_PAUSE_MS_MAX, FULL_DISK_PAUSE_MS_MIN, ROUND_BYTES_MAX } from './limits.js'
import type { LogContext } from './log-options.js'

/** Whether the operating system says that there is no room, on the disk or in the quota. */
export function isNoRoom(error: unknown): boolean {
  return isSystemError(error, 'ENOSPC') || isSystemError(error, 'EDQUOT')
}

/** The disk of a data directory is full: `state` says what that means for what is stored. */
export function diskFull(directory: string, state: string, cause: unknown): GomqError {
  return new GomqError('DISK_FULL', `the disk of ${directory} is full; ${state}`, { cause })
}

/**
 * Does something that leaves all as it was where there is no room for it.
 * @param state  what is lost by that
 * @throws GomqError DISK_FULL
 */
export async function orDiskFull<T>(directory: string, state: string, operation: Promise<T>): Promise<T> {
  try {
    return await operation
  } catch (error) {
    throw isNoRoom(error) ? diskFull(directory, `${state}; make room`, error) : error
  }
}

/**
 * Waiting for room on a full disk. What a write could not put down is tried again, at first soon, then about once a second, until it
 * goes through.
 *
 *     write -> ENOSPC -> wait (50 ms) -> write -> ENOSPC -> wait (100 ms) ... -> write -> handleWritten
 */
export class FullDisk {
  readonly #context: LogContext
  #isWaiting = false
  #pauseMs = 0
  #roundBytesMax = ROUND_BYTES_MAX
  /** How much longer to wait. */
  #leftMs = Number.POSITIVE_INFINITY

  constructor(context: LogContext) {
    this.#context = context
  }

  /** Bytes of the next round, beyond its first batch: where there is little room, one batch may fit when many do not. */
  get roundBytesMax(): number {
    return this.#roundBytesMax
  }

  /** Runs one operation that needs room, and says with our own error that there is none. Not for syncs: what they report is no longer a full disk. */
  async needRoom(operation: Promise<void>): Promise<void> {
    await orDiskFull(this.#context.directory, 'what was appended waits and is written when there is room', operation)
  }

  /**
   * Settles when it is time to write again.
   *
   * @param error  what {@link needRoom} threw
   * @throws GomqError DISK_FULL  the log does not wait, or has waited for as long as {@link hurry} left it
   */
  async wait(error: GomqError): Promise<void> {
    const { pause, onFull } = this.#context
    if (pause === undefined || this.#leftMs <= 0)
      throw diskFull(
        this.#context.directory,
        'what was acknowledged is safe and nothing more is; make room and start again',
        error.cause,
      )
    this.#roundBytesMax = 1
    if (!this.#isWaiting) onFull(error)
    this.#isWaiting = true
    this.#pauseMs = Math.min(FULL_DISK_PAUSE_MS_MAX, Math.max(FULL_DISK_PAUSE_MS_MIN, 2 * this.#pauseMs))
    const pauseMs = Math.min(this.#pauseMs, this.#leftMs)
    this.#leftMs -= pauseMs
    await pause(pauseMs)
  }

  /** A round is on disk. The rounds grow again, and when they are what they were, or nothing is left to write, the wait is over. */
  handleWritten(isAll: boolean): void {
    if (!this.#isWaiting) return
    this.#pauseMs = 0
    this.#roundBytesMax = Math.min(ROUND_BYTES_MAX, 16 * this.#roundBytesMax)
    if (!isAll && this.#roundBytesMax < ROUND_BYTES_MAX) return
    this.#roundBytesMax = ROUND_BYTES_MAX
    this.#isWaiting = false
    this.#context.onFull(undefined)
  }

  /** From now on, room is waited for {@link FULL_DISK_GRACE_MS} at most, all in all. Again: nothing changes. */
  hurry(): void {
    this.#leftMs = Math.min(this.#leftMs, FULL_DISK_GRACE_MS)
  }

  /** Takes {@link hurry} back. */
  relax(): void {
    this.#leftMs = Number.POSITIVE_INFINITY
  }
}
