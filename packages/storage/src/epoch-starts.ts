import type { Epoch, Offset } from '@gomq/protocol'
import type { EpochStart } from './format/epoch-start.js'

/** Where the last batch of an epoch ends. */
export interface EpochEnd {
  readonly epoch: Epoch
  /** Offset after the epoch's last record in this log. */
  readonly endOffset: Offset
}

/**
 * Which epoch begins where: what two copies of a log compare to find where they part (KIP-101, KIP-279). Both columns rise strictly.
 *
 *     epoch 1 from 0, epoch 2 from 40, epoch 5 from 70, log end 90
 *     endOf(2) -> epoch 2, end 70      endOf(4) -> the same      endOf(9) -> epoch 5, end 90
 */
export class EpochStarts {
  #starts: EpochStart[] = []

  /** Every epoch that has records in the log, oldest first. */
  get all(): readonly EpochStart[] {
    return this.#starts
  }

  /** The newest epoch; 0 if the log is empty. */
  get last(): Epoch {
    return this.#starts.at(-1)?.epoch ?? (0 as Epoch)
  }

  /** A batch of `epoch` stands at `startOffset`, behind all others; only the first of an epoch counts. */
  add(epoch: Epoch, startOffset: Offset): void {
    if (this.last >= epoch) return
    // One that was kept although no record of it is left ({@link advance}).
    if (this.#starts.at(-1)?.startOffset === startOffset) this.#starts.pop()
    this.#starts.push({ epoch, startOffset })
  }

  /** The greatest epoch at or below `epoch`, and its end in a log that ends at `logEndOffset`; undefined if every epoch is above. */
  endOf(epoch: Epoch, logEndOffset: Offset): EpochEnd | undefined {
    const i = this.#starts.findLastIndex((start) => start.epoch <= epoch)
    if (i === -1) return undefined
    return { epoch: this.#starts[i]!.epoch, endOffset: this.#starts[i + 1]?.startOffset ?? logEndOffset }
  }

  /** Forgets the epochs that begin at `to` or behind it. */
  truncate(to: Offset): void {
    this.#starts = this.#starts.filter((start) => start.startOffset < to)
  }

  /** The log begins at `start` now: epochs that end at or below it go, but the newest one stays, so that the next is greater. */
  advance(start: Offset): void {
    const first = Math.max(
      0,
      this.#starts.findLastIndex((known) => known.startOffset <= start),
    )
    this.#starts = this.#starts
      .slice(first)
      .map(({ epoch, startOffset }) => ({ epoch, startOffset: Math.max(startOffset, start) as Offset }))
  }
}
