import { baseOffsetOf, type Epoch, epochOf, GomqError, invariant, nextOffsetOf, type Offset } from '@gomq/protocol'
import type { CleanedStretch, EpochStart, LogPiece, ReplicaLog } from '../replica-log.js'

/** A batch, or a cleaned stretch with what is left in it. */
interface Entry {
  readonly baseOffset: Offset
  readonly nextOffset: Offset
  readonly batches: readonly Uint8Array[]
  readonly isCleaned: boolean
}

/** What is on a disk: what survives a crash. */
export interface StoredLog {
  readonly storeId: string
  readonly logStartOffset: Offset
  readonly highWatermark: Offset
  readonly snapshotNeededFrom: Offset
  readonly entries: readonly Entry[]
  readonly epochStarts: readonly EpochStart[]
}

/**
 * A {@link ReplicaLog} in memory. {@link write} makes batches final and {@link sync} durable: {@link crash} gives what a restart would find.
 */
export class MemoryReplicaLog implements ReplicaLog {
  readonly storeId: string
  #start: Offset
  #highWatermark: Offset
  #checkpointed: Offset
  #synced: Offset
  #written: Offset
  #needed: Offset
  #entries: Entry[]
  #epochStarts: EpochStart[]
  /** Called after each write. */
  onWritten: () => void = () => undefined
  /** Called after each sync with the synced offset. */
  onSynced: (syncedOffset: Offset) => void = () => undefined
  /** Called after each append. */
  onAppended: () => void = () => undefined
  /** How long a truncation, a reset and the like take. */
  pause: () => Promise<void> = () => Promise.resolve()

  constructor(stored: StoredLog | { readonly storeId: string }) {
    this.storeId = stored.storeId
    const { logStartOffset, highWatermark, snapshotNeededFrom, entries, epochStarts } = { ...EMPTY, ...stored }
    this.#start = logStartOffset
    this.#highWatermark = this.#checkpointed = highWatermark
    this.#needed = snapshotNeededFrom
    this.#entries = [...entries]
    this.#epochStarts = [...epochStarts]
    this.#synced = this.#written = this.logEndOffset
  }

  get logStartOffset(): Offset {
    return this.#start
  }
  get highWatermark(): Offset {
    return this.#highWatermark
  }
  get syncedOffset(): Offset {
    return this.#synced
  }
  get writtenOffset(): Offset {
    return this.#written
  }
  get logEndOffset(): Offset {
    return this.#entries.at(-1)?.nextOffset ?? this.#start
  }
  get epochStarts(): readonly EpochStart[] {
    return this.#epochStarts
  }
  get snapshotNeededFrom(): Offset {
    return this.#needed
  }

  append(batch: Uint8Array): void {
    const baseOffset = baseOffsetOf(batch)
    invariant(
      baseOffset === this.logEndOffset,
      `a batch at ${baseOffset} cannot follow a log that ends at ${this.logEndOffset}`,
    )
    this.#addEpoch(epochOf(batch), baseOffset)
    this.#entries.push({ baseOffset, nextOffset: nextOffsetOf(batch), batches: [batch], isCleaned: false })
    this.onAppended()
  }

  setHighWatermark(offset: Offset): void {
    invariant(
      offset >= this.#highWatermark && offset <= this.#synced,
      `high watermark ${offset}, outside ${this.#highWatermark} to ${this.#synced}`,
    )
    this.#highWatermark = offset
  }

  async truncate(to: Offset): Promise<void> {
    invariant(to >= this.#highWatermark && to <= this.logEndOffset, `truncating to ${to}`)
    await this.pause()
    this.#entries = this.#entries.filter((entry) => entry.nextOffset <= to)
    invariant(this.logEndOffset === to, `offset ${to} is inside a batch`)
    this.#epochStarts = this.#epochStarts.filter(({ startOffset }) => startOffset < to)
    this.#synced = this.#written = to
    this.#checkpointed = Math.min(this.#checkpointed, to) as Offset
  }

  async readForMember(from: Offset, bytesMax: number): Promise<LogPiece> {
    if (from < this.#start) throw new GomqError('OFFSET_OUT_OF_RANGE', `offset ${from} is below ${this.#start}`)
    const batches: Uint8Array[] = []
    let nextOffset = from
    let bytes = 0
    for (const entry of this.#entries) {
      if (entry.nextOffset <= nextOffset) continue
      if (entry.nextOffset > this.#written) break
      if (entry.isCleaned) {
        if (nextOffset > from) break
        const kept = entry.batches.filter((batch) => baseOffsetOf(batch) >= from)
        const epochStarts = this.#epochStarts
          .filter(
            ({ startOffset }, i) =>
              startOffset < entry.nextOffset && (this.#epochStarts[i + 1]?.startOffset ?? entry.nextOffset) > from,
          )
          .map(({ epoch, startOffset }) => ({ epoch, startOffset: Math.max(startOffset, from) as Offset }))
        return { batches: kept, nextOffset: entry.nextOffset, cleaned: { endOffset: entry.nextOffset, epochStarts } }
      }
      if (bytes > 0 && bytes + entry.batches[0]!.byteLength > bytesMax) break
      batches.push(entry.batches[0]!)
      bytes += entry.batches[0]!.byteLength
      nextOffset = entry.nextOffset
    }
    return { batches, nextOffset }
  }

  async receiveCleaned(stretch: { endOffset: Offset; epochStarts: readonly EpochStart[] }): Promise<CleanedStretch> {
    const baseOffset = this.logEndOffset
    const batches: Uint8Array[] = []
    return {
      add: async (batch) => void batches.push(batch),
      finish: async () => {
        await this.pause()
        invariant(this.logEndOffset === baseOffset, 'the log has grown under a cleaned stretch')
        for (const { epoch, startOffset } of stretch.epochStarts) this.#addEpoch(epoch, startOffset)
        this.#entries.push({ baseOffset, nextOffset: stretch.endOffset, batches, isCleaned: true })
        this.#synced = this.#written = stretch.endOffset
        this.#needed = Math.max(this.#needed, stretch.endOffset) as Offset
      },
      abandon: async () => undefined,
    }
  }

  async reset(offset: Offset): Promise<void> {
    await this.pause()
    this.#entries = []
    this.#epochStarts = []
    this.#start = this.#synced = this.#written = this.#highWatermark = this.#checkpointed = this.#needed = offset
  }

  /** What was appended up to `to` is in the file, where a crash may take it back. */
  write(to: Offset = this.logEndOffset): void {
    if (to <= this.#written) return
    this.#written = Math.min(to, this.logEndOffset) as Offset
    this.onWritten()
  }

  /** What was appended up to `to` is written and on disk, and so is the high watermark. */
  sync(to: Offset = this.logEndOffset): void {
    this.#checkpointed = this.#highWatermark
    if (to <= this.#synced) return
    this.write(to)
    this.#synced = Math.min(to, this.logEndOffset) as Offset
    this.onSynced(this.#synced)
  }

  /** What a restart finds: all that was synced, and of the rest what reached the disk by chance, whole batches up to `surviving`. */
  crash(surviving: Offset = this.#synced): StoredLog {
    const end = Math.max(this.#synced, surviving)
    const entries = this.#entries.filter((entry) => entry.nextOffset <= end)
    const logEndOffset = entries.at(-1)?.nextOffset ?? this.#start
    return {
      storeId: this.storeId,
      logStartOffset: this.#start,
      highWatermark: Math.max(this.#start, this.#checkpointed) as Offset,
      snapshotNeededFrom: this.#needed,
      entries,
      epochStarts: this.#epochStarts.filter(({ startOffset }) => startOffset < logEndOffset),
    }
  }

  /** Retention: the log begins at the batch that begins at `to`, at or below the high watermark; the state below is in a snapshot. */
  advanceStart(to: Offset): void {
    invariant(to <= this.#highWatermark, `the log's start cannot move to ${to}`)
    if (to <= this.#start) return
    this.#entries = this.#entries.filter((entry) => entry.baseOffset >= to)
    this.#start = to
    this.#needed = Math.max(this.#needed, to) as Offset
    const first = this.#epochStarts.findLastIndex(({ startOffset }) => startOffset <= to)
    this.#epochStarts = this.#epochStarts
      .slice(Math.max(0, first))
      .map(({ epoch, startOffset }) => ({ epoch, startOffset: Math.max(startOffset, to) as Offset }))
  }

  /** Compaction: what lies in `[from, to)`, whole batches below the high watermark, becomes one cleaned stretch with what `keeps` says. */
  clean(from: Offset, to: Offset, keeps: (batch: Uint8Array) => boolean): void {
    invariant(to <= this.#highWatermark && from >= this.#start && from < to, `cannot clean ${from} to ${to}`)
    const inside = this.#entries.filter((entry) => entry.baseOffset >= from && entry.nextOffset <= to)
    invariant(
      inside[0]?.baseOffset === from && inside.at(-1)?.nextOffset === to,
      `${from} to ${to} is not whole batches`,
    )
    const batches = inside.flatMap((entry) => entry.batches).filter(keeps)
    const at = this.#entries.indexOf(inside[0]!)
    this.#entries.splice(at, inside.length, { baseOffset: from, nextOffset: to, batches, isCleaned: true })
    this.#needed = Math.max(this.#needed, to) as Offset
  }

  /** Every batch that is there, in order; for checks. */
  *batches(): Generator<Uint8Array> {
    for (const entry of this.#entries) yield* entry.batches
  }

  /** The batches that begin at `from` or behind it, in order; for checks. */
  *batchesFrom(from: Offset): Generator<Uint8Array> {
    let at = this.#entries.length
    while (at > 0 && this.#entries[at - 1]!.nextOffset > from) at--
    for (; at < this.#entries.length; at++)
      for (const batch of this.#entries[at]!.batches) if (baseOffsetOf(batch) >= from) yield batch
  }

  /** Where batches and cleaned stretches begin; for checks. */
  get boundaries(): readonly Offset[] {
    return [...this.#entries.map((entry) => entry.baseOffset), this.logEndOffset]
  }

  #addEpoch(epoch: Epoch, startOffset: Offset): void {
    const last = this.#epochStarts.at(-1)
    invariant(epoch >= (last?.epoch ?? 0), `the epoch goes back from ${last?.epoch} to ${epoch}`)
    if (last?.epoch === epoch) return
    if (last?.startOffset === startOffset) this.#epochStarts.pop()
    this.#epochStarts.push({ epoch, startOffset })
  }
}

const EMPTY = {
  logStartOffset: 0 as Offset,
  highWatermark: 0 as Offset,
  snapshotNeededFrom: 0 as Offset,
  entries: [] as readonly Entry[],
  epochStarts: [] as readonly EpochStart[],
}
