import { nextOffsetOf, type Offset, offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { type Cleaner, createCleaner } from '../../../src/cleaning/cleaner.js'
import type { CleaningRules } from '../../../src/cleaning/rules.js'
import type { FileSystem } from '../../../src/file-system.js'
import type { Log } from '../../../src/log.js'
import type { LogOptions } from '../../../src/log-options.js'
import { keptSnapshots, loadSnapshot, writeSnapshot } from '../../../src/snapshot.js'
import { openSimLog, type SimLog } from '../../support/open-sim-log.js'
import { type FaultyDisk, settleSome } from './faulty-disk.js'
import { applyCommand, commandsOf, decodeEntry, encodeEntry, type Folded, rulesOf, type State } from './folded-state.js'
import { type FoundBatch, foundBatch } from './log-twin.js'

/** Bytes of a segment. */
export const SEGMENT_BYTES = 2500

const DIRECTORY = 'data'

/** What a start found. */
export interface Started {
  readonly machine: Machine
  /** Where the snapshot begins that was taken; 0 without one. */
  readonly snapshotBegin: number
  /** Snapshots that were put aside. */
  readonly rejected: readonly string[]
  /** All that is in the log. */
  readonly found: readonly FoundBatch[]
}

/**
 * The log, its snapshots and its cleaner as a broker drives them, around a state that is folded from the log: the policies, floors and retained
 * messages that the cleaner goes by are committed state, and the snapshots hold it.
 */
export class Machine {
  readonly #fs: FileSystem
  readonly #open: SimLog
  /** What was committed. */
  readonly #state: State
  /** What waits to be committed. */
  #pending: Folded[]
  #olderBegin: number
  /** The start made this durable. */
  #startEnd: number
  #cleaner: Cleaner

  private constructor(fs: FileSystem, open: SimLog, state: State, pending: Folded[], olderBegin: number) {
    this.#fs = fs
    this.#open = open
    this.#state = state
    this.#pending = pending
    this.#olderBegin = olderBegin
    this.#startEnd = open.log.syncedOffset
    this.#cleaner = createCleaner({ fs, crc32, segmentBytes: SEGMENT_BYTES })
  }

  /**
   * Opens the log, loads the newest snapshot that can be used, folds what follows it.
   *
   * @param commitTo  everything below is known to be committed
   */
  static async start(disk: FaultyDisk, options: Partial<LogOptions>, commitTo: (log: Log) => number): Promise<Started> {
    const fs = disk.mount()
    const open = await openSimLog(disk.sim, { ...options, fs, segmentBytes: SEGMENT_BYTES })
    const { log } = open
    try {
      const rejected: string[] = []
      const onRejected = (path: string) => rejected.push(path)
      const snapshot = await loadSnapshot({ fs, directory: DIRECTORY, crc32, log, onRejected })
      const state: State = new Map(snapshot?.entries.map(decodeEntry))
      const batches: Folded[] = []
      await log.replay(snapshot?.beginOffset ?? log.logStartOffset, (batch) => batches.push(folded(batch)))
      const found: FoundBatch[] = []
      await log.replay(log.logStartOffset, (batch) => found.push(foundBatch(batch)))
      const kept = await keptSnapshots(fs, DIRECTORY)
      const machine = new Machine(fs, open, state, batches, kept.at(-2)?.beginOffset ?? 0)
      machine.commit(commitTo(log))
      return { machine, snapshotBegin: snapshot?.beginOffset ?? 0, rejected, found }
    } catch (error) {
      await log.close().catch(() => undefined)
      throw error
    }
  }

  get log(): Log {
    return this.#open.log
  }
  /** Why the log has stopped; undefined as long as it goes on. */
  get failure(): Error | undefined {
    return this.#open.failure()
  }
  /** Everything below was reported as synced, or found by the start. */
  get synced(): number {
    return Math.max(this.#open.synced(), this.#startEnd)
  }
  /** What was committed. */
  get state(): State {
    return this.#state
  }
  /** What it will be when all of the log is committed. */
  get stateAhead(): State {
    const ahead = new Map(this.#state)
    for (const { commands } of this.#pending) for (const one of commands) applyCommand(ahead, one)
    return ahead
  }
  /** Up to where a cleaner may go now. */
  get cleanableTo(): number {
    return Math.min(this.log.highWatermark, this.#olderBegin)
  }

  append(batch: Uint8Array): void {
    this.#pending.push(folded(batch))
    this.log.append(batch)
  }

  /** Everything below `to` is committed, and the state follows. */
  commit(to: number): void {
    this.log.setHighWatermark(offset(to))
    const isCommitted = ({ next }: Folded) => next <= to
    for (const { commands } of this.#pending.filter(isCommitted))
      for (const one of commands) applyCommand(this.#state, one)
    this.#pending = this.#pending.filter((one) => !isCommitted(one))
  }

  async truncate(to: number): Promise<void> {
    this.#open.handleTruncated(to)
    this.#startEnd = Math.min(this.#startEnd, to)
    this.#pending = this.#pending.filter(({ next }) => next <= to)
    await this.log.truncate(offset(to))
  }

  /** Writes a snapshot of the state, entry by entry, while that changes; where it begins. */
  async snapshot(pauseTurns: number): Promise<number> {
    const { log } = this
    const beginOffset = log.highWatermark
    let nowMs = 0
    await writeSnapshot({
      fs: this.#fs,
      directory: DIRECTORY,
      crc32,
      beginOffset,
      endOffset: () => log.highWatermark,
      entries: entriesOf(this.#state),
      nowMs: () => nowMs++,
      pause: () => settleSome(pauseTurns),
    })
    this.#olderBegin = (await keptSnapshots(this.#fs, DIRECTORY)).at(-2)?.beginOffset ?? 0
    return beginOffset
  }

  /** How many snapshots are kept. */
  async snapshotsKept(): Promise<number> {
    return (await keptSnapshots(this.#fs, DIRECTORY)).length
  }

  /** Another cleaner, as after an error of the old one's thread. */
  renewCleaner(keyBytesMax: number): void {
    this.#cleaner = createCleaner({ fs: this.#fs, crc32, segmentBytes: SEGMENT_BYTES, keyBytesMax })
  }

  /** The rules that are committed. */
  rules(nowMs: number): CleaningRules {
    return rulesOf(this.#state, this.cleanableTo, nowMs)
  }

  survey(rules: CleaningRules): ReturnType<Cleaner['survey']> {
    return this.#cleaner.survey(this.log, rules)
  }

  clean(rules: CleaningRules, budgetBytes: number): ReturnType<Cleaner['clean']> {
    return this.#cleaner.clean(this.log, rules, budgetBytes)
  }

  /** All that is in the log below `to`, which is committed. */
  async contents(to: Offset): Promise<FoundBatch[]> {
    const found: FoundBatch[] = []
    for (let at = this.log.logStartOffset; at < to; ) {
      const { batches, nextOffset } = await this.log.read({ from: at, to, bytesMax: 1_000_000 })
      found.push(...batches.map(foundBatch))
      at = nextOffset
    }
    return found
  }
}

function folded(batch: Uint8Array): Folded {
  return { next: nextOffsetOf(batch), commands: commandsOf(batch) }
}

function* entriesOf(state: State): Generator<Uint8Array> {
  for (const entry of state) yield encodeEntry(entry)
}

/** Paths of the snapshots on the disk, oldest first. */
export async function snapshotPaths(fs: FileSystem): Promise<string[]> {
  const names = (await fs.list(`${DIRECTORY}/snapshots`)).filter((name) => name.endsWith('.snapshot'))
  return names.sort().map((name) => `${DIRECTORY}/snapshots/${name}`)
}

/** Where the snapshot of this path begins. */
export function beginOf(path: string): Offset {
  return offset(Number(path.slice(path.lastIndexOf('/') + 1, -'.snapshot'.length)))
}
