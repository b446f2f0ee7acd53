import type { Offset } from '@gomq/protocol'

/** Those who wait until the log is on disk up to an offset. */
export class SyncWaiters {
  #waiters: { offset: Offset; resolve: () => void; reject: (error: Error) => void }[] = []

  /** Settles when everything below `offset` is on disk, which it is not yet; rejects when it never will be. */
  wait(offset: Offset): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ offset, resolve, reject }))
  }

  /** Everything below `syncedOffset` is on disk. */
  handleSynced(syncedOffset: Offset): void {
    const reached = this.#waiters.filter((waiter) => waiter.offset <= syncedOffset)
    this.#waiters = this.#waiters.filter((waiter) => waiter.offset > syncedOffset)
    for (const { resolve } of reached) resolve()
  }

  /** Nothing more gets there. */
  fail(error: Error): void {
    for (const { reject } of this.#waiters) reject(error)
    this.#waiters = []
  }
}
