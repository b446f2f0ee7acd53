import { baseOffsetOf, epochOf, nextOffsetOf, type Offset, type Random } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { expect } from 'vitest'
import type { LogOptions } from '../../src/log-options.js'
import { type ReplicatedLog, replicaLog } from '../../src/replication/replica-log.js'
import { replicaRecordStore } from '../../src/replication/replica-record.js'
import { snapshotStore } from '../../src/replication/snapshot-store.js'
import { keptSnapshots, loadSnapshot, writeSnapshot } from '../../src/snapshot.js'
import { SimDisk } from '../../src/testing/sim-disk.js'
import { openSimLog, type SimLog, settle } from './open-sim-log.js'

/** A batch as a twin remembers it. */
export interface KnownBatch {
  readonly base: number
  readonly next: number
  readonly epoch: number
  /** Without the two fields that are a disk's own: what it had synced, and the checksum over it. */
  readonly bytes: string
}

/** The batch as {@link KnownBatch}. */
export function known(batch: Uint8Array): KnownBatch {
  return {
    base: baseOffsetOf(batch),
    next: nextOffsetOf(batch),
    epoch: epochOf(batch),
    bytes: withoutOwnFields(batch),
  }
}

/** The bytes of a batch but for the synced offset and the checksum of the header. */
export function withoutOwnFields(batch: Uint8Array): string {
  const bytes = Uint8Array.from(batch)
  bytes.fill(0, 4, 8).fill(0, 32, 40)
  return Buffer.from(bytes).toString('hex')
}

/** A broker's disk with its log, and a dumb twin that knows what must be on it. */
export class ReplicaNode {
  readonly disk: SimDisk
  readonly #random: Random
  readonly #options: Partial<LogOptions>
  open!: SimLog
  log!: ReplicatedLog
  /** Operations until the machine crashes. */
  crashIn: number = Number.POSITIVE_INFINITY
  /** What the log was given, by base offset: also what was cleaned away. */
  batches: Map<number, KnownBatch> = new Map()
  /** Bases of batches that may be cleaned away here. */
  gone: Set<number> = new Set()
  acked: number = 0
  start: number = 0
  /** Where the log may begin after a crash in the middle of something. */
  undecidedStart: number | undefined
  /** The offset of a reset that a crash may have cut short. */
  undecidedReset: number | undefined
  /** Where a truncation cuts that a crash may have cut short. */
  undecidedCut: number | undefined
  isFilling: boolean = false
  /** Where the newest snapshot begins. */
  snapshot: number = 0

  constructor(random: Random, options: Partial<LogOptions>) {
    this.#random = random
    this.#options = options
    this.disk = new SimDisk(random)
    this.disk.onOperation = () => {
      if (--this.crashIn === 0) this.disk.crash()
      return random.next() < 0.3 ? settleSome(Math.floor(random.next() * 5)) : undefined
    }
  }

  get cleanableTo(): number {
    return Math.min(this.log.highWatermark, this.snapshot)
  }

  get location() {
    return { fs: this.disk.mount(), directory: 'data', crc32 }
  }

  /** The machine starts, or starts again: what is found is compared. */
  async boot(committed: number): Promise<void> {
    for (let again = Math.floor(this.#random.next() * 3); again > 0; again--) {
      this.crashIn = 1 + Math.floor(this.#random.next() * 25)
      await openSimLog(this.disk, this.#options).catch((error) => {
        if (this.crashIn > 0) throw error
      })
      if (this.crashIn > 0) this.disk.crash()
    }
    this.crashIn = Number.POSITIVE_INFINITY
    this.open = await openSimLog(this.disk, this.#options)
    this.log = replicaLog(this.open.log)
    const { logStartOffset, logEndOffset } = this.log
    const reset = this.undecidedReset
    if (reset !== undefined && logStartOffset === reset && logEndOffset === reset) this.forgetAll(reset)
    expect([this.start, this.undecidedStart]).toContain(logStartOffset)
    this.acked = Math.min(this.acked, this.undecidedCut ?? this.acked)
    expect(logEndOffset, 'what was acked is there').toBeGreaterThanOrEqual(this.acked)
    this.undecidedCut = undefined
    this.undecidedReset = undefined
    this.undecidedStart = undefined
    this.start = logStartOffset
    this.acked = logEndOffset
    this.truncated(logEndOffset)
    this.log.setHighWatermark(Math.max(logStartOffset, Math.min(committed, logEndOffset)) as Offset)
    await this.verify()
    this.isFilling = (await replicaRecordStore(this.location).load())?.isFilling ?? false
    await this.loadState()
  }

  /** A start finds its state, or knows that it has none. */
  async loadState(): Promise<void> {
    const { isFilling, log } = this
    const loaded = await loadSnapshot({ ...this.location, log, isFilling })
    this.snapshot = isFilling ? 0 : (loaded?.beginOffset ?? 0)
  }

  /** What was appended and reported so far. */
  noteSynced(): void {
    this.acked = Math.max(this.acked, this.open.synced())
  }

  async saveFilling(isFilling: boolean): Promise<void> {
    const record = { clusterUuid: 'c', epoch: 1 as never, coordinatorId: 'e', coordinatorRevision: 1, isFilling }
    await replicaRecordStore(this.location).save(record)
    this.isFilling = isFilling
  }

  async writeSnapshot(): Promise<void> {
    const { highWatermark } = this.log
    const entries = [new Uint8Array(Math.floor(this.#random.next() * 3000)), new Uint8Array(0)]
    await writeSnapshot({ ...this.location, beginOffset: highWatermark, endOffset: () => highWatermark, entries })
    this.snapshot = highWatermark
  }

  /** The newest snapshot, in pieces, as a link carries it. */
  async *sendSnapshot(): AsyncGenerator<Uint8Array> {
    const file = await snapshotStore(this.location).open()
    expect(file?.beginOffset).toBe((await keptSnapshots(this.location.fs, 'data')).at(-1)?.beginOffset)
    for (let at = 0; at < file!.bytes; at += 700) yield file!.read(at, 700)
    await file!.close()
  }

  forgetAll(start: number): void {
    this.batches.clear()
    this.gone.clear()
    this.start = start
    this.acked = start
    this.snapshot = 0
  }

  /** The twin ends at `to`. */
  truncated(to: number): void {
    for (const [base, batch] of this.batches) if (batch.next > to) this.batches.delete(base)
  }

  /** The log holds what its twin knows, and nothing else. */
  async verify(): Promise<void> {
    const { open, log } = this
    while (log.syncedOffset < log.logEndOffset) await settle()
    const found = new Set<number>()
    await open.log.replay(log.logStartOffset, (batch) => {
      const { base, bytes } = known(batch)
      expect(bytes, `the batch at ${base}`).toBe(this.batches.get(base)?.bytes)
      found.add(base)
    })
    const left = this.#left()
    for (const { base } of left)
      if (!this.gone.has(base)) expect(found.has(base), `the batch at ${base} is there`).toBe(true)
    if (left.length > 0) expect(log.epochStarts).toEqual(epochsOf(left, log.logStartOffset))
  }

  #left(): KnownBatch[] {
    const { logStartOffset, logEndOffset } = this.log
    return [...this.batches.values()]
      .filter(({ base, next }) => base >= logStartOffset && next <= logEndOffset)
      .sort((a, b) => a.base - b.base)
  }
}

/** Where each epoch begins among neighbours, the first one at `start` if it began before. */
export function epochsOf(batches: readonly KnownBatch[], start: number): { epoch: number; startOffset: number }[] {
  const starts: { epoch: number; startOffset: number }[] = []
  for (const { epoch, base } of batches)
    if (epoch !== starts.at(-1)?.epoch) starts.push({ epoch, startOffset: Math.max(base, start) })
  return starts
}

async function settleSome(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await Promise.resolve()
}
