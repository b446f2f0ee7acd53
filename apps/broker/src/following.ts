import { CommittedState, type RetentionRules, retainedOffsetsOf, retentionRulesOf } from '@gomq/engine'
import { GomqError, invariant, type Offset } from '@gomq/protocol'
import type { Log } from '@gomq/storage'
import type { RetainedOffsets } from './pinned-offsets.js'
import type { SnapshotState } from './snapshot-writer.js'

/** Bytes folded in one go; others get a turn between two. */
const FOLD_BYTES = 256 * 1024

/** What a following is made of. */
export interface FollowingOptions {
  readonly log: Log
  /**
   * Brings an empty state up to some offset. @returns that offset, and from where on the state is whole: a snapshot may hold what happened behind
   * its begin
   */
  load(state: CommittedState): Promise<{ readonly appliedOffset: Offset; readonly wholeFrom: Offset }>
  /** So many bytes more are in the state. */
  onFolded(bytes: number): void
  /** A stored batch cannot be read, or no state can be had from what is there. */
  onFailure(error: Error): void
}

/**
 * What a broker has that does not lead: the state, folded from the log up to the high watermark as that rises. Sessions, cursors, the dedupe window
 * and all the rest are there when it is to lead.
 */
export class Following implements SnapshotState {
  readonly state: CommittedState = new CommittedState()
  /** Settles when the state is there; rejects with what is given to `onFailure`. */
  readonly loaded: Promise<void>
  readonly #options: FollowingOptions
  #appliedOffset = 0 as Offset
  #wholeFrom = Number.POSITIVE_INFINITY
  #isStopped = false
  #isLoaded = false
  /** The fold that is under way, and what it goes up to. */
  #folding: Promise<void>
  #target = 0
  /** Whether a fold waits for the one that is under way. */
  #isQueued = false

  constructor(options: FollowingOptions) {
    this.#options = options
    this.loaded = this.#load()
    this.#folding = this.#run(() => this.loaded)
  }

  /** The state is that of this offset; meaningful once it {@link isLoaded}. */
  get appliedOffset(): Offset {
    return this.#appliedOffset
  }

  /** Whether the state is there. */
  get isLoaded(): boolean {
    return this.#isLoaded
  }

  /** Whether the state is exactly that of {@link appliedOffset}. */
  get isWhole(): boolean {
    return this.#isLoaded && this.#appliedOffset >= this.#wholeFrom
  }

  /** Everything that is folded, for a snapshot; a live walk. */
  snapshotEntries(): Iterable<Uint8Array> {
    return this.state.entries(Number.POSITIVE_INFINITY)
  }

  /** What a survey and the cleaner go by. */
  retentionRules(): RetentionRules {
    return retentionRulesOf(this.state)
  }

  /** What is retained; a live walk. */
  retainedOffsets(): RetainedOffsets {
    return retainedOffsetsOf(this.state)
  }

  /** Everything below has committed. */
  handleCommitted(highWatermark: Offset): void {
    void this.foldTo(highWatermark)
  }

  /** Folds up to `offset`, which is on disk. Settles when it is done, or the following has been stopped. */
  foldTo(offset: Offset): Promise<void> {
    if (offset <= this.#target) return this.#folding
    this.#target = offset
    if (this.#isQueued) return this.#folding
    this.#isQueued = true
    const before = this.#folding
    this.#folding = this.#run(async () => {
      await before
      this.#isQueued = false
      await this.#fold()
    })
    return this.#folding
  }

  /** The state is no longer that of this broker, or somebody else goes on with it: nothing is folded any more. */
  stop(): void {
    this.#isStopped = true
  }

  async #load(): Promise<void> {
    const { appliedOffset, wholeFrom } = await this.#options.load(this.state)
    this.#appliedOffset = appliedOffset
    this.#wholeFrom = wholeFrom
    this.#isLoaded = true
  }

  async #fold(): Promise<void> {
    const { log, onFolded } = this.#options
    while (!this.#isStopped && this.#appliedOffset < this.#target) {
      const from = this.#appliedOffset
      const { batches, nextOffset } = await log.read({ from, to: this.#target as Offset, bytesMax: FOLD_BYTES })
      if (this.#isStopped) return
      invariant(nextOffset > from, `folding stands still at offset ${from}`)
      let bytes = 0
      for (const batch of batches) {
        this.state.replay(batch)
        bytes += batch.byteLength
      }
      this.#appliedOffset = nextOffset
      onFolded(bytes)
    }
  }

  /** What fails after a stop concerns nobody: the log may have been emptied under it. */
  async #run(work: () => Promise<void>): Promise<void> {
    try {
      if (!this.#isStopped) await work()
    } catch (error) {
      if (this.#isStopped || (error instanceof GomqError && error.code === 'CLOSED')) return
      this.#isStopped = true
      this.#options.onFailure(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
