import { GomqError, InvariantError, type Offset, offset } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect } from 'vitest'
import type { LogOptions } from '../../../src/log-options.js'
import { settle } from '../../support/open-sim-log.js'
import { controlBatch, dataBatch, FILTERS, type MadeBatch, randomPolicy } from './batches.js'
import { FaultyDisk, settleSome } from './faulty-disk.js'
import type { Command } from './folded-state.js'
import { foundBatch, LogTwin } from './log-twin.js'
import type { Machine } from './machine.js'
import { Starter } from './starter.js'
import { checkThorough } from './thoroughness.js'

const STEPS = 70

/** What the programs did, in all. */
export interface CleaningCounts {
  crashes: number
  kills: number
  closes: number
  faults: number
  failedLogs: number
  truncations: number
  turns: number
  dropped: number
  rewritten: number
  gone: number
  snapshots: number
  olderTaken: number
  refused: number
  policies: number
  floors: number
}

/** The work of the machine: each by how many of 100 operations it is. */
const WEIGHTS: readonly (readonly [number, keyof CleaningProgram['operations']])[] = [
  [36, 'append'],
  [8, 'wait'],
  [14, 'commit'],
  [6, 'changePolicies'],
  [5, 'survey'],
  [8, 'clean'],
  [8, 'snapshot'],
  [4, 'read'],
  [3, 'truncate'],
  [3, 'breakDisk'],
  [5, 'stop'],
]

/**
 * A random program of everything that a log is used for: messages and control records, policies and floors that are logged and commit, snapshots
 * and turns of the real cleaner under way while the rest goes on; over a disk that crashes, fails and fills at any call.
 */
export class CleaningProgram {
  readonly #random: SeededRandom
  readonly #disk: FaultyDisk
  readonly #options: Partial<LogOptions>
  readonly #twin: LogTwin = new LogTwin()
  readonly #counts: CleaningCounts
  readonly #starter: Starter
  #machine!: Machine
  #epoch = 0
  #nowMs = 1_000_000
  /** A snapshot and a turn that are under way. */
  readonly #background: Map<'snapshot' | 'clean', Promise<void>> = new Map()
  #errors: unknown[] = []

  /** @internal */
  readonly operations = {
    append: () => this.#appendSome(),
    wait: () => settle(),
    commit: () => this.#commit(),
    changePolicies: () => this.#changePolicies(),
    survey: () => this.#survey(),
    clean: () => this.#clean(),
    snapshot: () => this.#snapshot(),
    read: () => this.#read(),
    truncate: () => this.#truncate(),
    breakDisk: () => this.#breakDisk(),
    stop: () => this.#stop(),
  }

  constructor(seed: number, counts: CleaningCounts) {
    this.#random = new SeededRandom(seed)
    this.#disk = new FaultyDisk(seed + 0x5bd1e995)
    this.#counts = counts
    this.#options = {
      zeroAheadBytes: seed % 2 === 0 ? 1500 : 0,
      // Every third log waits for room on a full disk.
      ...(seed % 3 === 0 && { pause: () => settleSome(20) }),
    }
    this.#starter = new Starter(this.#random, this.#disk, this.#options, this.#twin, counts)
  }

  async run(): Promise<void> {
    await this.#start()
    for (let step = 0; step < STEPS; step++) await this.#step(this.#choose())
    await this.#finish()
  }

  #choose(): () => unknown {
    let choice = this.#random.below(100)
    for (const [weight, name] of WEIGHTS) {
      if (choice < weight) return this.operations[name]
      choice -= weight
    }
    throw new Error('the weights are not 100')
  }

  /** One operation. Errors must have a reason: a fault, a crash, or the log that a fault has stopped. */
  async #step(operation: () => unknown): Promise<void> {
    // Near or far: a turn of the cleaner is some hundred calls.
    if (this.#random.chance(0.1)) this.#disk.crashIn(1 + this.#random.below(this.#random.pick([25, 100, 300])))
    try {
      await operation()
    } catch (error) {
      this.#errors.push(error)
    }
    await this.#judge()
  }

  async #judge(): Promise<void> {
    const isExpected = this.#disk.isDown || this.#disk.hasFailed
    const errors = [...this.#errors, ...(this.#machine.failure === undefined ? [] : [this.#machine.failure])]
    this.#errors = []
    for (const error of errors) if (!isExpected || isBug(error)) throw error
    this.#twin.acked = Math.max(this.#twin.acked, this.#machine.synced)
    if (this.#disk.isDown) await this.#restart()
    else if (this.#machine.failure !== undefined) {
      this.#counts.failedLogs++
      await this.#end(this.#random.pick(['close', 'kill', 'crash']))
    }
  }

  async #start(): Promise<void> {
    this.#machine = await this.#starter.start()
    this.#epoch++
    this.#nowMs = Math.max(this.#nowMs, this.#machine.log.lastAppendTimeMs)
  }

  /** The process or the machine goes, at a moment of its own choice. */
  #stop(): Promise<void> {
    return this.#end(this.#random.pick(['close', 'kill', 'crash', 'crash', 'crash']))
  }

  async #end(how: 'close' | 'kill' | 'crash'): Promise<void> {
    const { log } = this.#machine
    if (how === 'crash') this.#disk.crash()
    else if (how === 'kill') {
      this.#counts.kills++
      this.#disk.kill()
    } else {
      this.#counts.closes++
      const isClosed = await log.close().then(
        () => this.#machine.failure === undefined,
        (error) => this.#errors.push(error) < 0,
      )
      const errors = this.#errors.filter((error) => !this.#disk.hasFailed && !this.#disk.isDown && error !== undefined)
      if (errors.length > 0) throw errors[0]
      if (isClosed) expect(this.#machine.synced, 'what was appended is reported').toBe(log.logEndOffset)
    }
    await this.#restart()
  }

  async #restart(): Promise<void> {
    if (this.#disk.isDown) this.#counts.crashes++
    for (const name of this.#background.keys()) await this.#await(name)
    await settle()
    this.#errors = this.#errors.filter(isBug)
    if (this.#errors.length > 0) throw this.#errors[0]
    this.#twin.acked = Math.max(this.#twin.acked, this.#machine.synced)
    if (this.#disk.hasFailed) this.#counts.faults++
    await this.#start()
  }

  #appendSome(): void {
    for (let i = this.#random.below(6); i >= 0; i--) {
      this.#nowMs += this.#random.below(2000)
      if (this.#random.chance(0.15))
        this.#append(controlBatch([['set', `k${this.#random.below(20)}`, `${this.#nowMs}`]], this.#place))
      else this.#append(dataBatch(this.#random, this.#place))
    }
    if (this.#random.chance(0.1)) this.#nowMs += this.#random.below(90_000)
  }

  get #place() {
    return { base: this.#machine.log.logEndOffset, epoch: this.#epoch, timeMs: this.#nowMs }
  }

  #append({ batch, twin, records }: MadeBatch): void {
    this.#machine.append(batch)
    this.#twin.append(twin, records)
  }

  #commit(): void {
    const { log, synced } = this.#machine
    const upTo = this.#random.chance(0.6)
      ? synced
      : log.highWatermark + this.#random.below(Math.max(1, synced - log.highWatermark + 1))
    this.#commitTo(upTo)
  }

  #commitTo(upTo: number): void {
    const { log } = this.#machine
    const boundary = this.#twin.batches.findLast((batch) => batch.next <= upTo)?.next ?? 0
    if (boundary > log.highWatermark) this.#machine.commit(boundary)
    this.#twin.committed = log.highWatermark
  }

  #changePolicies(): void {
    const random = this.#random
    const commands: Command[] = []
    for (let i = random.below(3); i >= 0; i--) {
      const filter = random.pick(FILTERS)
      commands.push(random.chance(0.75) ? ['policy', randomPolicy(random, filter)] : ['drop', filter])
    }
    this.#counts.policies += commands.length
    this.#append(controlBatch(commands, this.#place))
  }

  async #survey(): Promise<void> {
    await this.#await('clean')
    const { log } = this.#machine
    const rules = this.#machine.rules(this.#nowMs)
    const { floors, policies } = await this.#machine.survey(rules)
    for (const [i, { before }] of rules.rules.entries()) {
      expect(policies[i]!.wanted, 'a floor only rises').toBeGreaterThanOrEqual(before)
      expect(policies[i]!.wanted, 'a floor is committed').toBeLessThanOrEqual(Math.max(before, log.highWatermark))
    }
    this.#counts.floors += floors.length
    if (floors.length > 0 && this.#machine.failure === undefined)
      this.#append(
        controlBatch(
          floors.map(({ filter, before }) => ['floor', filter, before]),
          this.#place,
        ),
      )
  }

  /** Begins a turn; mostly the rest of the program goes on meanwhile. */
  async #clean(): Promise<void> {
    await this.#await('clean')
    if (this.#random.chance(0.15)) this.#machine.renewCleaner(this.#random.pick([1500, 1_000_000]))
    const budgetBytes = this.#random.chance(0.5) ? 1e9 : this.#random.below(6000)
    this.#begin('clean', this.#turn(this.#machine, budgetBytes))
    if (this.#random.chance(0.4)) await this.#await('clean')
  }

  async #turn(machine: Machine, budgetBytes: number): Promise<void> {
    const rules = machine.rules(this.#nowMs)
    this.#twin.handleTurn(rules)
    this.#counts.turns++
    const result = await machine.clean(rules, budgetBytes)
    expect(result.logStartOffset).toBe(machine.log.logStartOffset)
    this.#counts.dropped += result.segmentsDropped
    this.#counts.rewritten += result.segmentsRewritten
    await this.#look(machine)
  }

  async #look(machine: Machine): Promise<void> {
    const to = machine.log.highWatermark
    const found = await machine.contents(to)
    this.#twin.compare(found, machine.log.logStartOffset, to)
  }

  async #snapshot(): Promise<void> {
    await this.#await('snapshot')
    const machine = this.#machine
    const write = async () => {
      const begin = await machine.snapshot(this.#random.below(30))
      this.#starter.handleSnapshot(begin)
      this.#counts.snapshots++
      expect(await machine.snapshotsKept()).toBeLessThanOrEqual(2)
    }
    this.#begin('snapshot', write())
    if (this.#random.chance(0.4)) await this.#await('snapshot')
  }

  #begin(name: 'snapshot' | 'clean', work: Promise<void>): void {
    const done = work
      .catch((error) => {
        // A log that is closed meanwhile ends it.
        if (!(error instanceof GomqError && error.code === 'CLOSED')) this.#errors.push(error)
      })
      .finally(() => {
        if (this.#background.get(name) === done) this.#background.delete(name)
      })
    this.#background.set(name, done)
  }

  /** Waits until it is done; a disk that is full gets room if it has to. */
  async #await(name: 'snapshot' | 'clean'): Promise<void> {
    for (let i = 0; this.#background.has(name); i++) {
      if (i === 100) this.#disk.mend()
      if (i > 1000) throw new InvariantError(`${name} stands still`)
      await settle()
    }
  }

  async #read(): Promise<void> {
    const { log } = this.#machine
    const twin = this.#twin
    const to = log.highWatermark
    const start = log.logStartOffset
    const from = start + this.#random.below(to - start + 1)
    if (start > 0) await expect(log.read({ from: 0 as Offset, bytesMax: 1 })).rejects.toThrow()
    const seen = new Set<number>()
    const goneBefore = new Set(twin.retention.records.map((one) => one.offset).filter((one) => twin.isGone(one)))
    for (let at: number = from; at < to; ) {
      const read = await log
        .read({ from: offset(at), to, bytesMax: 1 + this.#random.below(3000) })
        .catch((error) => error)
      if (read instanceof GomqError && read.code === 'OFFSET_OUT_OF_RANGE' && log.logStartOffset > at) {
        at = log.logStartOffset
        continue
      }
      if (read instanceof Error) throw read
      for (const batch of read.batches) for (const [one] of foundBatch(batch).records) seen.add(one)
      expect(read.nextOffset, 'a reader always advances').toBeGreaterThan(at)
      at = read.nextOffset
    }
    for (const { offset: one } of twin.retention.records) {
      if (one < from || one >= to) continue
      if (goneBefore.has(one)) expect(seen.has(one), `${one} is gone`).toBe(false)
      else if (!twin.mayBeGone(one)) expect(seen.has(one), `${one} is there`).toBe(true)
    }
  }

  async #truncate(): Promise<void> {
    const twin = this.#twin
    const { log } = this.#machine
    const candidates = twin.batches.filter((batch) => batch.base >= log.highWatermark)
    if (candidates.length === 0) return
    this.#counts.truncations++
    const to = this.#random.pick(candidates).base
    twin.acked = Math.min(Math.max(twin.acked, this.#machine.synced), to)
    await this.#machine.truncate(to)
    twin.cut(to)
    // A turn that is under way may have moved the start.
    expect(log.epochStarts).toEqual(twin.epochStartsFrom(log.logStartOffset))
    expect([log.syncedOffset, log.logEndOffset]).toEqual([to, to])
    // The next leader has another epoch, as after an election.
    this.#epoch++
  }

  #breakDisk(): void {
    const choice = this.#random.below(10)
    if (choice < 3) this.#disk.fill(this.#random.below(3000))
    else if (choice < 5) this.#disk.mend()
    else this.#disk.arm()
  }

  /** Everything commits, two snapshots make it cleanable, and a cleaner without bounds leaves what must live. */
  async #finish(): Promise<void> {
    this.#disk.mend()
    await this.#await('clean')
    await this.#await('snapshot')
    if (this.#disk.isDown || this.#disk.hasFailed || this.#machine.failure !== undefined) await this.#end('close')
    this.#disk.crashIn(Number.POSITIVE_INFINITY)
    for (let i = 0; i < 2; i++) {
      this.#appendSome()
      while (this.#machine.synced < this.#machine.log.logEndOffset) await settle()
      this.#commitTo(this.#machine.synced)
      this.#starter.handleSnapshot(await this.#machine.snapshot(0))
    }
    this.#machine.renewCleaner(1_000_000)
    await checkThorough(this.#machine, this.#twin, this.#machine.rules(this.#nowMs), () =>
      this.#turn(this.#machine, 1e9),
    )
    this.#counts.gone += this.#twin.retention.records.length - this.#twin.present.size
    await this.#end('close')
    await this.#machine.log.close()
  }
}

function isBug(error: unknown): boolean {
  if (error instanceof InvariantError) return true
  if (error instanceof GomqError) return ['CORRUPT_LOG', 'CORRUPT_BATCH', 'INTERNAL'].includes(error.code)
  // What a check of this test threw is no error of the system.
  return !(error instanceof Error && 'code' in error)
}
