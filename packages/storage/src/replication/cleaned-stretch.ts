import { GomqError, invariant, type Offset } from '@gomq/protocol'
import { CleanedSegmentWriter } from '../cleaned-segment-writer.js'
import type { EpochStart } from '../format/epoch-start.js'
import { isNoRoom, orDiskFull } from '../full-disk.js'
import type { Log } from '../log.js'
import type { LogParts } from '../log-parts.js'
import { createSegment } from '../recovery.js'
import { Segment, segmentName } from '../segment.js'

/** Of a segment that was received as it was sent; each cleaning here adds one. */
const FIRST_GENERATION = 1
const IF_FULL = 'what was received of another log is fetched again'

/** What a cleaned stretch covers, from the log's end on. */
export interface StretchRange {
  readonly endOffset: Offset
  /** The epochs of the range; the first one from its begin on, also if it began earlier. */
  readonly epochStarts: readonly EpochStart[]
}

/**
 * A cleaned stretch of another broker's log that is being received. It grows in a file beside the log, and nothing of it is in the log until
 * {@link finish} has settled.
 *
 *     before: 0.log [0..99]  100.log (active) [100..149]
 *     after:  0.log [0..99]  100.log [100..149]  150.1.log [150..299, cleaned]  300.log (active)
 */
export class CleanedStretch {
  readonly #log: Log
  readonly #directory: string
  readonly #writer: CleanedSegmentWriter
  readonly #baseOffset: Offset
  readonly #endOffset: Offset
  /** Set when it was finished or abandoned; settles when that is done. */
  #ended: Promise<void> | undefined

  private constructor(
    log: Log,
    directory: string,
    writer: CleanedSegmentWriter,
    baseOffset: Offset,
    endOffset: Offset,
  ) {
    this.#log = log
    this.#directory = directory
    this.#writer = writer
    this.#baseOffset = baseOffset
    this.#endOffset = endOffset
  }

  /**
   * Begins to receive `[logEndOffset, endOffset)`; one at a time.
   *
   * @throws GomqError  DISK_FULL: there is no room; the log goes on
   * @throws Error      of the operating system, with its `code`; the log goes on
   * @throws GomqError  CLOSED, or the one of `onFailure`
   */
  static async begin(log: Log, { endOffset, epochStarts }: StretchRange): Promise<CleanedStretch> {
    const { fs, directory, folder, crc32 } = log.parts.context
    const baseOffset = log.logEndOffset
    let last = { epoch: log.epochStarts.at(-1)?.epoch ?? 0, startOffset: baseOffset - 1 }
    for (const [i, start] of epochStarts.entries()) {
      const isBehind = start.epoch > last.epoch || (i === 0 && start.epoch === last.epoch)
      invariant(
        isBehind && start.startOffset > last.startOffset && start.startOffset < endOffset,
        `epoch ${start.epoch} from offset ${start.startOffset} on, in a stretch from ${baseOffset} to ${endOffset} behind epoch ${last.epoch}`,
      )
      last = start
    }
    const range = { baseOffset, endOffset, generation: FIRST_GENERATION, epochStarts }
    const writer = await orDiskFull(directory, IF_FULL, CleanedSegmentWriter.create(fs, folder, range, crc32))
    return new CleanedStretch(log, directory, writer, baseOffset, endOffset)
  }

  /**
   * Adds a batch of the stretch, behind the one before; its bytes are copied. Whoever received it has verified both checksums. One call at a
   * time. One that does not belong there is a bug.
   *
   * @throws GomqError  DISK_FULL: there is no room; only {@link abandon} may follow
   * @throws Error      of the operating system, with its `code`; as well
   */
  add(batch: Uint8Array): Promise<void> {
    return this.#inRoom(this.#writer.add(batch))
  }

  /**
   * Puts the stretch behind the log's end. When it settles, the log ends at the stretch's end, all of it synced, and `onSynced` was told; a
   * crash meanwhile leaves the log as it was or as it is then. Nothing may be appended meanwhile, or have been since the stretch was begun.
   *
   * @throws GomqError  DISK_FULL: there is no room; the log goes on as it was, and the stretch is gone
   * @throws GomqError  CLOSED, or the one of `onFailure`
   */
  finish(): Promise<void> {
    invariant(this.#ended === undefined, 'a stretch was finished or abandoned before')
    this.#ended = this.#inRoom(this.#finishInTurn())
    return this.#ended
  }

  /** Removes what was received; the log stays as it is. When it was finished, or is being: waits for the end of that. Again: nothing happens. */
  abandon(): Promise<void> {
    this.#ended = this.#ended === undefined ? this.#writer.abandon() : this.#ended.catch(() => undefined)
    return this.#ended
  }

  #inRoom<T>(operation: Promise<T>): Promise<T> {
    return orDiskFull(this.#directory, IF_FULL, operation)
  }

  async #finishInTurn(): Promise<void> {
    const log = this.#log
    await this.#writer.sync().catch(async (error) => {
      await this.#writer.abandon()
      throw error
    })
    let refusal: unknown
    await log.rebuild(log.logEndOffset, async (parts) => {
      invariant(
        log.logEndOffset === this.#baseOffset,
        `the log ends at ${log.logEndOffset}, and the stretch begins at ${this.#baseOffset}`,
      )
      refusal = await this.#finish(parts)
    })
    if (refusal !== undefined) throw refusal
  }

  /** Why there was no room for it, if so. */
  async #finish(parts: LogParts): Promise<unknown> {
    const { context, state, tail, files, writer } = parts
    const { fs, folder } = context
    const sealed = state.active
    const isEmpty = sealed.baseOffset === sealed.endOffset
    const placed = await this.#place(parts)
    if ('refusal' in placed) return placed.refusal
    const { cleaned, active } = placed
    await writer.reopen(active.path)
    state.handleReceived(cleaned, active)
    // What follows does not continue what is there.
    tail.truncate(0 as Offset)
    if (isEmpty) {
      await files.forget(sealed.path)
      await fs.remove(sealed.path)
      await fs.syncDirectory(folder)
    } else writer.writeIndexOf(sealed)
    await writer.checkpointIfRoom()
    return undefined
  }

  /**
   * The files of the cleaned segment and of the active one behind it. A checkpoint says before that there may be the first without the second.
   */
  async #place({ context, writer }: LogParts): Promise<{ cleaned: Segment; active: Segment } | { refusal: unknown }> {
    const { fs, folder } = context
    try {
      await writer.trim()
      await writer.checkpoint({ receivingTo: this.#endOffset })
      const { path, summary, generation } = await this.#writer.finish()
      const { file, segment: active } = await createSegment(fs, folder, this.#endOffset)
      await file.close()
      return { cleaned: new Segment(path, { summary }, generation), active }
    } catch (error) {
      const isRefused = isNoRoom(error) || (error instanceof GomqError && error.code === 'DISK_FULL')
      if (!isRefused) throw error
      await this.#takeBack(context)
      return { refusal: error }
    }
  }

  /** The active segment first: one behind a gap would be a log that has lost something. */
  async #takeBack({ fs, folder }: LogParts['context']): Promise<void> {
    await fs.remove(`${folder}/${segmentName(this.#endOffset)}`)
    await fs.syncDirectory(folder)
    await this.#writer.abandon()
  }
}
