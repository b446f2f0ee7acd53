import {
  appendTimeMsOf,
  baseOffsetOf,
  type Crc32,
  type Epoch,
  epochOf,
  GomqError,
  invariant,
  isBatchIntact,
  isControl,
  nextOffsetOf,
  type Offset,
  type Random,
  randomIdentity,
  sealHeader,
  topicOf,
} from '@gomq/protocol'
import { readCheckpoint, writeCheckpoint } from './checkpoint.js'
import { ColdReads } from './cold-reads.js'
import { type DirectoryLock, type FileSystem, readFile } from './file-system.js'
import { CONTROL_TOPIC, type EpochStart, type SegmentIndex } from './format/segment-index.js'
import { createSegment, recoverSegments, SYNC_FAILED_MARKER } from './recovery.js'
import { corruptAt, indexName, loadIndex, type Segment } from './segment.js'
import { TailCache, unpinned } from './tail-cache.js'

/** Bytes of one round of the group commit. Bounds how long those wait who come next. */
const ROUND_BYTES_MAX: number = 8 * 1024 * 1024
/** Log written between two checkpoints. */
const CHECKPOINT_BYTES: number = 16 * 1024 * 1024
/** Bytes of one read from disk at most, beyond the first batch. */
const READ_RUN_BYTES_MAX: number = 1024 * 1024

export interface LogOptions {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
  readonly random?: Random
  readonly segmentBytes?: number
  readonly tailCacheBytes?: number
  readonly indexCacheBytes?: number
  /** Everything below is on disk. Called in order, after each round. */
  onSynced(syncedOffset: Offset): void
  /** A write or sync failed: nothing will be synced any more. Called once. */
  onFailure(error: GomqError): void
}

export interface ReadRequest {
  /** First offset wanted. */
  readonly from: Offset
  /** Offset to stop before; the high watermark by default. */
  readonly to?: Offset
  readonly bytesMax: number
  /** Which topics are wanted; all, and control batches, by default. */
  readonly wants?: (topic: string) => boolean
}

export interface ReadResult {
  readonly batches: Uint8Array[]
  /** Everything below was looked at. */
  readonly nextOffset: Offset
}

/** Opens a log, recovering what a crash left. @throws GomqError DATA_DIR_LOCKED, CORRUPT_LOG, UNSUPPORTED_FORMAT */
export async function openLog(options: LogOptions): Promise<Log> {
  const { fs, directory, crc32 } = options
  const lock = await fs.lock(directory)
  try {
    const checkpoint = await readCheckpoint(fs, directory, crc32)
    const segments = await recoverSegments(fs, directory, checkpoint, crc32)
    const storeId = checkpoint?.storeId ?? randomIdentity(options.random ?? { next: Math.random }).toString(36)
    const log = new Log(options, lock, storeId, segments)
    await log.start()
    return log
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** The commit log. */
export class Log {
  readonly storeId: string
  readonly #options: LogOptions
  readonly #lock: DirectoryLock
  readonly #segments: Segment[]
  readonly #tail: TailCache
  readonly #coldReads = new ColdReads(2)
  readonly #loaded: Segment[] = []
  #queue: Uint8Array[] = []
  #logEndOffset: Offset
  #syncedOffset: Offset
  #highWatermark: Offset
  #lastAppendTimeMs: number
  #epochStarts: EpochStart[]
  #round: Promise<void> | undefined
  #failure: GomqError | undefined
  #isClosed = false
  #bytesSinceCheckpoint = 0
  #background: Promise<void> = Promise.resolve()

  constructor(options: LogOptions, lock: DirectoryLock, storeId: string, segments: Segment[]) {
    this.#options = options
    this.#lock = lock
    this.storeId = storeId
    this.#segments = segments
    this.#tail = new TailCache(options.tailCacheBytes ?? 32 * 1024 * 1024)
    const end = segments.at(-1)!.endOffset
    this.#logEndOffset = end
    this.#syncedOffset = end
    this.#highWatermark = segments[0]!.baseOffset
    this.#lastAppendTimeMs = Math.max(...segments.map((segment) => segment.summary.lastTimeMs))
    this.#epochStarts = []
    for (const segment of segments)
      for (const start of segment.summary.epochStarts) this.#addEpochStart(start.epoch, start.startOffset)
  }

  get logStartOffset(): Offset {
    return this.#segments[0]!.baseOffset
  }
  get highWatermark(): Offset {
    return this.#highWatermark
  }
  get syncedOffset(): Offset {
    return this.#syncedOffset
  }
  get logEndOffset(): Offset {
    return this.#logEndOffset
  }
  get lastAppendTimeMs(): number {
    return this.#lastAppendTimeMs
  }
  get epochStarts(): readonly EpochStart[] {
    return this.#epochStarts
  }

  /** @internal */
  start(): Promise<void> {
    return this.#writeCheckpoint()
  }

  append(batch: Uint8Array): void {
    this.#checkAlive()
    invariant(
      baseOffsetOf(batch) === this.#logEndOffset,
      `a batch at offset ${baseOffsetOf(batch)} cannot follow a log that ends at ${this.#logEndOffset}`,
    )
    invariant(appendTimeMsOf(batch) >= this.#lastAppendTimeMs, 'append times never go back')
    const owned = unpinned(batch)
    this.#logEndOffset = nextOffsetOf(batch)
    this.#lastAppendTimeMs = appendTimeMsOf(batch)
    this.#addEpochStart(epochOf(batch), baseOffsetOf(batch))
    this.#queue.push(owned)
    this.#round ??= this.#rounds()
  }

  setHighWatermark(offset: Offset): void {
    invariant(
      offset >= this.#highWatermark && offset <= this.#syncedOffset,
      `high watermark ${offset} is outside ${this.#highWatermark} to ${this.#syncedOffset}`,
    )
    this.#highWatermark = offset
  }

  async read(request: ReadRequest): Promise<ReadResult> {
    this.#checkAlive()
    const to = request.to ?? this.#highWatermark
    const { from } = request
    if (from < this.logStartOffset || from > to) {
      throw new GomqError(
        'OFFSET_OUT_OF_RANGE',
        `offset ${from} is outside the log, ${this.logStartOffset} to ${to}; start from one in it or from 'earliest'`,
      )
    }
    if (from === to) return { batches: [], nextOffset: from }
    const cachedFrom = this.#tail.startOffset
    if (cachedFrom !== undefined && cachedFrom <= from) return this.#readTail(request, to)
    return this.#coldReads.run(() => this.#readDisk(request, to))
  }

  async replay(from: Offset, visit: (batch: Uint8Array) => void): Promise<void> {
    for (let at = from; at < this.#logEndOffset; ) {
      const { batches, nextOffset } = await this.#readDisk({ from: at, bytesMax: 4 * 1024 * 1024 }, this.#logEndOffset)
      for (const batch of batches) visit(batch)
      at = nextOffset
    }
  }

  async offsetForTime(timeMs: number): Promise<Offset> {
    for (const segment of this.#segments) {
      if (segment.summary.lastTimeMs < timeMs) continue
      const index = await this.#indexOf(segment)
      return Math.min(index.offsetAt(index.entryForTime(timeMs)), this.#highWatermark) as Offset
    }
    return this.#highWatermark
  }

  async truncate(to: Offset): Promise<void> {
    this.#checkAlive()
    invariant(
      to >= this.#highWatermark,
      `truncating to ${to} would remove committed batches below ${this.#highWatermark}`,
    )
    this.#queue = this.#queue.filter((batch) => nextOffsetOf(batch) <= to)
    await this.#round
    if (this.#syncedOffset > to) {
      const { fs, directory } = this.#options
      while (this.#segments.length > 1 && this.#segments.at(-1)!.baseOffset >= to) {
        const gone = this.#segments.pop()!
        await gone.file.close()
        await fs.remove(gone.path)
        await fs.syncDirectory(`${directory}/log`)
      }
      await this.#reopenActive()
      const active = this.#segments.at(-1)!
      const index = await this.#indexOf(active)
      index.truncate(to)
      invariant(index.endOffset === to, `offset ${to} is inside a batch`)
      await active.file.truncate(index.bytes)
      await active.file.sync()
      this.#tail.truncate(to)
      this.#syncedOffset = to
    }
    this.#logEndOffset = to
    this.#epochStarts = this.#epochStarts.filter((start) => start.startOffset < to)
    await this.#writeCheckpoint()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    while (this.#round !== undefined) await this.#round
    this.#isClosed = true
    await this.#background
    if (this.#failure === undefined) await this.#writeCheckpoint()
    for (const segment of this.#segments) await segment.file.close()
    await this.#lock.release()
  }

  async #rounds(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const active = this.#segments.at(-1)!
        const index = active.index!
        const segmentBytes = this.#options.segmentBytes ?? 128 * 1024 * 1024
        let bytes = 0
        let count = 0
        while (count < this.#queue.length && bytes < ROUND_BYTES_MAX) {
          const size = this.#queue[count]!.byteLength
          if (index.bytes + bytes + size > segmentBytes && index.bytes + bytes > 0) break
          bytes += size
          count++
        }
        if (count === 0) {
          await this.#roll()
          continue
        }
        const round = count === this.#queue.length ? this.#queue : this.#queue.slice(0, count)
        this.#queue = count === this.#queue.length ? [] : this.#queue.slice(count)
        for (const batch of round) sealHeader(batch, this.#syncedOffset, this.#options.crc32)
        await active.file.writev(round, index.bytes)
        await active.file.sync()
        for (const batch of round) {
          index.add(batch)
          this.#tail.add(batch)
        }
        this.#syncedOffset = index.endOffset
        this.#bytesSinceCheckpoint += bytes
        this.#options.onSynced(this.#syncedOffset)
        if (this.#bytesSinceCheckpoint >= CHECKPOINT_BYTES) await this.#writeCheckpoint()
      }
    } catch (error) {
      await this.#fail(error)
    } finally {
      this.#round = undefined
    }
  }

  async #roll(): Promise<void> {
    const { fs, directory, crc32 } = this.#options
    const folder = `${directory}/log`
    const sealed = this.#segments.at(-1)!
    this.#segments.push(await createSegment(fs, folder, sealed.endOffset))
    this.#loaded.push(sealed)
    const write = async () => {
      const file = await fs.open(`${folder}/${indexName(sealed.baseOffset)}`, 'create')
      await file.writev(sealed.index!.encode(crc32), 0)
      await file.sync()
      await file.close()
    }
    // The index can be rebuilt at any time, so a failure to write it loses nothing.
    this.#background = this.#background.then(write).catch(() => undefined)
    await this.#writeCheckpoint()
  }

  async #reopenActive(): Promise<void> {
    const { fs, directory, crc32 } = this.#options
    const last = this.#segments.at(-1)!
    if (last.index === undefined)
      last.index = await loadIndex(last, await readFile(fs, `${directory}/log/${indexName(last.baseOffset)}`), crc32)
  }

  #readTail(request: ReadRequest, to: Offset): ReadResult {
    const batches: Uint8Array[] = []
    let nextOffset = request.from
    let bytes = 0
    this.#tail.from(request.from, (batch) => {
      if (baseOffsetOf(batch) >= to) return false
      const isWanted = request.wants === undefined || (!isControl(batch) && request.wants(topicOf(batch)))
      if (isWanted) {
        if (bytes > 0 && bytes + batch.byteLength > request.bytesMax) return false
        bytes += batch.byteLength
        batches.push(batch)
      }
      nextOffset = nextOffsetOf(batch)
      return true
    })
    return { batches, nextOffset }
  }

  async #readDisk(request: ReadRequest, to: Offset): Promise<ReadResult> {
    const segment = this.#segmentFor(request.from)
    const index = await this.#indexOf(segment)
    const wanted = index.names.map(
      (name, i) => request.wants === undefined || (i !== CONTROL_TOPIC && request.wants(name)),
    )
    const batches: Uint8Array[] = []
    let entry = index.entryFor(request.from)
    let bytes = 0
    while (entry < index.count && index.offsetAt(entry) < to) {
      if (!wanted[index.topicAt(entry)]) {
        entry++
        continue
      }
      const start = index.positionAt(entry)
      let end = entry
      while (end < index.count && index.offsetAt(end) < to && wanted[index.topicAt(end)]) {
        const runBytes = index.positionAt(end + 1) - start
        if (bytes + runBytes > request.bytesMax && bytes + runBytes > index.positionAt(end + 1) - index.positionAt(end))
          break
        if (end > entry && runBytes > READ_RUN_BYTES_MAX) break
        end++
      }
      if (end === entry) break
      const run = new Uint8Array(index.positionAt(end) - start)
      await segment.file.read(run, start)
      for (; entry < end; entry++) {
        const batch = run.subarray(index.positionAt(entry) - start, index.positionAt(entry + 1) - start)
        if (!isBatchIntact(batch, this.#options.crc32) || baseOffsetOf(batch) !== index.offsetAt(entry)) {
          throw new GomqError(
            'CORRUPT_BATCH',
            `${corruptAt(segment.path, index.positionAt(entry), index.offsetAt(entry)).message}`,
          )
        }
        batches.push(batch)
      }
      bytes += run.byteLength
      if (bytes >= request.bytesMax) break
    }
    return { batches, nextOffset: index.offsetAt(entry) }
  }

  #segmentFor(offset: Offset): Segment {
    let low = 0
    let high = this.#segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#segments[middle]!.baseOffset <= offset) low = middle + 1
      else high = middle
    }
    return this.#segments[low - 1]!
  }

  async #indexOf(segment: Segment): Promise<SegmentIndex> {
    if (segment.index === undefined) {
      const { fs, directory, crc32 } = this.#options
      const index = await loadIndex(
        segment,
        await readFile(fs, `${directory}/log/${indexName(segment.baseOffset)}`),
        crc32,
      )
      segment.index ??= index
      this.#loaded.push(segment)
    }
    const index = segment.index
    this.#evictIndexes(segment)
    return index
  }

  #evictIndexes(keep: Segment): void {
    let bytes = 0
    for (const segment of this.#loaded) bytes += segment.index?.memoryBytes ?? 0
    while (bytes > (this.#options.indexCacheBytes ?? 64 * 1024 * 1024) && this.#loaded.length > 1) {
      const oldest = this.#loaded.shift()!
      if (oldest === keep || oldest === this.#segments.at(-1)) {
        this.#loaded.push(oldest)
        if (this.#loaded.every((segment) => segment === keep || segment === this.#segments.at(-1))) return
        continue
      }
      bytes -= oldest.index?.memoryBytes ?? 0
      oldest.unload()
    }
  }

  #addEpochStart(epoch: Epoch, startOffset: Offset): void {
    if ((this.#epochStarts.at(-1)?.epoch ?? -1) < epoch) this.#epochStarts.push({ epoch, startOffset })
  }

  async #writeCheckpoint(): Promise<void> {
    const { fs, directory, crc32 } = this.#options
    this.#bytesSinceCheckpoint = 0
    const epoch = (this.#epochStarts.at(-1)?.epoch ?? 0) as Epoch
    await writeCheckpoint(fs, directory, { storeId: this.storeId, syncedOffset: this.#syncedOffset, epoch }, crc32)
  }

  async #fail(cause: unknown): Promise<void> {
    this.#failure = new GomqError(
      'STORAGE_FAILED',
      `writing the log in ${this.#options.directory} failed: ${cause instanceof Error ? cause.message : String(cause)}; nothing more is acknowledged; mend the disk and start again`,
      { cause },
    )
    this.#queue = []
    const { fs, directory } = this.#options
    try {
      const marker = await fs.open(`${directory}/${SYNC_FAILED_MARKER}`, 'create')
      await marker.close()
      await fs.syncDirectory(directory)
    } catch {
      // The disk is failing: the marker is a precaution for when it is not.
    }
    this.#options.onFailure(this.#failure)
  }

  #checkAlive(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isClosed) throw new GomqError('CLOSED', 'the log is closed')
  }
}
