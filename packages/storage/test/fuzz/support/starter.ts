import { GomqError } from '@gomq/protocol'
import type { SeededRandom } from '@gomq/protocol/testing'
import { expect } from 'vitest'
import { SNAPSHOTS_KEPT } from '../../../src/limits.js'
import type { Log } from '../../../src/log.js'
import type { LogOptions } from '../../../src/log-options.js'
import { settle } from '../../support/open-sim-log.js'
import type { FaultyDisk } from './faulty-disk.js'
import type { LogTwin } from './log-twin.js'
import { beginOf, Machine, type Started, snapshotPaths } from './machine.js'

/** What the starts of all programs count. */
export interface StartCounts {
  crashes: number
  kills: number
  olderTaken: number
  refused: number
}

/**
 * Starts the machine after any end of it, perhaps with a bit of its snapshots flipped, perhaps through faults and crashes of the start itself, and
 * compares what it finds with the twin.
 */
export class Starter {
  readonly #random: SeededRandom
  readonly #disk: FaultyDisk
  readonly #options: Partial<LogOptions>
  readonly #twin: LogTwin
  readonly #counts: StartCounts
  /**
   * Where the snapshots begin that were written and are kept, the newest last: they survive whatever comes. An older one that a crash brings back,
   * since its removal was not synced, is no replacement for a damaged one: what lies behind it may have been cleaned away.
   */
  #written: number[] = []
  /** Snapshots of which a bit was flipped. */
  readonly #flipped: Set<string> = new Set()

  constructor(
    random: SeededRandom,
    disk: FaultyDisk,
    options: Partial<LogOptions>,
    twin: LogTwin,
    counts: StartCounts,
  ) {
    this.#random = random
    this.#disk = disk
    this.#options = options
    this.#twin = twin
    this.#counts = counts
  }

  /** A snapshot was written. */
  handleSnapshot(begin: number): void {
    this.#written = [...this.#written.filter((one) => one < begin), begin].slice(-SNAPSHOTS_KEPT)
    for (const path of this.#flipped) if (beginOf(path) === begin) this.#flipped.delete(path)
  }

  async start(): Promise<Machine> {
    const random = this.#random
    this.#disk.crashIn(Number.POSITIVE_INFINITY)
    this.#disk.mend()
    if (random.chance(0.12)) await this.#flipNewest()
    for (let again = random.below(4); again > 0; again--) await this.#startAndCrash()
    if (random.chance(0.2)) await this.#startWithFault()
    if (random.chance(0.08)) await this.#startWithoutSnapshots()
    return this.#startWell()
  }

  /** A start that crashes somewhere, or a moment after its end. */
  async #startAndCrash(): Promise<void> {
    this.#disk.crashIn(1 + this.#random.below(60))
    await this.#try(() => this.#disk.isDown)
    if (!this.#disk.isDown) this.#disk.crash()
    this.#counts.crashes++
    await settle()
  }

  /** A start with a fault ends with that error, and the next one finds everything. */
  async #startWithFault(): Promise<void> {
    this.#disk.hasFailed = false
    if (this.#random.chance(0.3)) this.#disk.fill(this.#random.below(1500))
    else this.#disk.arm()
    await this.#try(() => this.#disk.hasFailed)
    this.#disk.kill()
    this.#counts.kills++
    await settle()
  }

  async #try(isExcused: () => boolean): Promise<void> {
    try {
      await this.#open()
    } catch (error) {
      const isDamage = error instanceof GomqError && error.code === 'CORRUPT_LOG'
      if (!isExcused() || isDamage || !(error instanceof Error && 'code' in error)) throw error
    }
  }

  #open(): Promise<Started> {
    return Machine.start(this.#disk, this.#options, (log) => this.#commitTo(log))
  }

  async #flipNewest(): Promise<void> {
    const paths = (await this.#paths()).filter((path) => !this.#flipped.has(path))
    // Only what was written for sure counts as the other one.
    if (paths.length < 2 || !this.#written.includes(beginOf(paths.at(-2)!))) return
    if (!this.#written.includes(beginOf(paths.at(-1)!))) return
    this.#flip(paths.at(-1)!)
    this.#counts.olderTaken++
  }

  #flip(path: string): void {
    this.#disk.sim.flipBit(path, this.#random.below(this.#disk.sim.bytesOf(path).byteLength), this.#random.below(8))
    this.#flipped.add(path)
  }

  /** All snapshots are damaged: the log starts if it has every control record, and refuses if not. Then they are restored. */
  async #startWithoutSnapshots(): Promise<void> {
    const { sim } = this.#disk
    const copies = (await this.#paths()).map((path) => [path, sim.bytesOf(path)] as const)
    for (const [path, bytes] of copies) sim.put(path, bytes.subarray(0, -1))
    this.#disk.mend()
    try {
      const started = await this.#open()
      expect(started.snapshotBegin).toBe(0)
      this.#check(started)
    } catch (error) {
      if (!(error instanceof GomqError && error.message.includes('no snapshot'))) throw error
      expect(this.#twin.cleanedTo, 'only a log that was cleaned needs a snapshot').toBeGreaterThan(0)
      this.#counts.refused++
    }
    this.#disk.kill()
    await settle()
    for (const [path, bytes] of copies) sim.put(path, bytes)
  }

  async #paths(): Promise<string[]> {
    return snapshotPaths(this.#disk.sim.mount())
  }

  async #startWell(): Promise<Machine> {
    this.#disk.mend()
    this.#disk.hasFailed = false
    const started = await this.#open()
    const { machine, rejected } = started
    for (const path of rejected) expect(this.#flipped.has(path), `${path} is whole`).toBe(true)
    const newest = this.#written.findLast((begin) => ![...this.#flipped].some((path) => beginOf(path) === begin)) ?? 0
    expect(started.snapshotBegin, 'the newest snapshot that is whole is taken').toBeGreaterThanOrEqual(newest)
    this.#written = this.#written.filter((begin) => begin <= started.snapshotBegin)
    this.#check(started)
    const { log } = machine
    this.#twin.cut(log.logEndOffset)
    this.#twin.acked = log.logEndOffset
    this.#twin.committed = log.highWatermark
    const epochs = this.#twin.epochStartsFrom(log.logStartOffset)
    if (epochs.length > 0) expect(log.epochStarts).toEqual(epochs)
    return machine
  }

  /** What is there is what was appended, up to some batch, and not removed; the state is what all of it came to. */
  #check({ machine, found }: Started): void {
    const twin = this.#twin
    const { log } = machine
    const end = log.logEndOffset
    expect(end, 'what was acked is there').toBeGreaterThanOrEqual(twin.acked)
    expect(end === 0 || twin.batches.some(({ next }) => next === end), `a batch ends at ${end}`).toBe(true)
    twin.compare(found, log.logStartOffset, end)
    expect(
      Math.max(log.snapshotNeededFrom, log.logStartOffset),
      'the log knows that control records are gone',
    ).toBeGreaterThanOrEqual(twin.controlGoneTo)
    expect(sorted(machine.stateAhead)).toEqual(sorted(twin.stateAt(end)))
    expect(sorted(machine.state)).toEqual(sorted(twin.stateAt(log.highWatermark)))
  }

  #commitTo(log: Log): number {
    return this.#random.chance(0.3) ? log.syncedOffset : Math.max(this.#twin.committed, log.logStartOffset)
  }
}

function sorted(state: ReadonlyMap<string, string>): [string, string][] {
  return [...state].sort()
}
