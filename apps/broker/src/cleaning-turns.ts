import type { Engine, RetentionRules } from '@gomq/engine'
import type { Offset, RetentionPolicy } from '@gomq/protocol'
import type { Cleaner, CleaningRules, Log, SurveyResult } from '@gomq/storage'
import type { BrokerLog } from './broker-log.js'
import type { Scheduler, Timer } from './scheduler.js'
import type { SnapshotWriter } from './snapshot-writer.js'

/** What cleaning works with. */
export interface CleaningTurnsOptions {
  readonly engine: Engine
  readonly log: Log
  readonly cleaner: Cleaner
  readonly snapshots: SnapshotWriter
  readonly scheduler: Scheduler
  readonly brokerLog: BrokerLog
  /** From the end of one turn to the next. */
  readonly intervalMs: number
  readonly segmentBytes: number
  /** Runs one input of the engine. */
  step(run: () => void): void
  /** Settles when everything below `offset` has committed; rejects when it never will. */
  committed(offset: Offset): Promise<void>
}

/**
 * Keeps the log bounded, turn by turn: what the policies ask for is surveyed, made a record of the log, and only when that has committed are
 * bytes removed by it. Readers and appends go on meanwhile.
 *
 *     rules -> survey -> engine: floors rise, a record -> committed -> clean -> segments swapped, log start moved -> engine told
 *
 * A turn that fails is logged and loses nothing: the next one begins anew.
 */
export class CleaningTurns {
  readonly #options: CleaningTurnsOptions
  #timer: Timer | undefined
  #turn: Promise<void> | undefined
  #isStopped = false
  #removedBytes = 0
  #rewrittenBytes = 0
  /** Bytes that may be rewritten: one for each that was appended, and one segment ahead. */
  #budgetBytes: number

  constructor(options: CleaningTurnsOptions) {
    this.#options = options
    this.#budgetBytes = options.segmentBytes
  }

  /** Since the start of the broker: bytes of files that are gone, less what was written in their place; and those bytes. */
  get stats(): { readonly cleanedBytes: number; readonly rewrittenBytes: number } {
    return { cleanedBytes: this.#removedBytes, rewrittenBytes: this.#rewrittenBytes }
  }

  /** Begins; the first turn comes after the interval. */
  start(): void {
    const { scheduler, intervalMs } = this.#options
    if (this.#isStopped) return
    this.#timer = scheduler.schedule(intervalMs, () => {
      void this.run().finally(() => this.start())
    })
  }

  /** The log has grown: as much may be rewritten. */
  handleAppended(bytes: number): void {
    this.#budgetBytes += bytes
  }

  /** Runs a turn now, or waits for the one that is under way. */
  run(): Promise<void> {
    this.#turn ??= this.#run().finally(() => {
      this.#turn = undefined
    })
    return this.#turn
  }

  /** What would be removed at once if `policy` held; nothing is changed. */
  dryRun(policy: RetentionPolicy): Promise<SurveyResult> {
    const known = this.#options.engine.retentionRules()
    const others = known.rules.filter((rule) => rule.policy.filter !== policy.filter)
    const before = known.rules.find((rule) => rule.policy.filter === policy.filter)?.before ?? (0 as Offset)
    return this.#options.cleaner.survey(
      this.#options.log,
      this.#cleaningRules({ ...known, rules: [...others, { policy, before }] }),
    )
  }

  /** Ends the turn that is under way, and begins no other. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    await this.#options.cleaner.close()
    await this.#turn
  }

  async #run(): Promise<void> {
    const { brokerLog } = this.#options
    if (this.#isStopped) return
    try {
      await this.#raiseFloors()
      if (!this.#isStopped) await this.#clean()
    } catch (error) {
      if (!this.#isStopped) brokerLog.error({ err: error }, 'the log could not be cleaned; nothing is lost, and it is tried again')
    }
  }

  async #raiseFloors(): Promise<void> {
    const { engine, log, cleaner, scheduler, step, committed } = this.#options
    const known = engine.retentionRules()
    if (known.rules.length === 0) return
    const { floors } = await cleaner.survey(log, this.#cleaningRules(known))
    let offset: Offset | undefined
    step(() => {
      offset = engine.handleSurvey(floors, known.version, scheduler.nowMs())
    })
    if (offset !== undefined) await committed(offset)
  }

  async #clean(): Promise<void> {
    const { engine, log, cleaner, step, brokerLog } = this.#options
    const cleaned = await cleaner.clean(log, this.#cleaningRules(engine.retentionRules()), this.#budgetBytes)
    this.#budgetBytes -= cleaned.rewrittenBytes
    this.#removedBytes += cleaned.removedBytes
    this.#rewrittenBytes += cleaned.rewrittenBytes
    step(() => engine.handleLogStart(log.logStartOffset))
    if (cleaned.removedBytes > 0) brokerLog.info({ ...cleaned }, 'the log was cleaned')
  }

  #cleaningRules({ rules, pinned }: RetentionRules): CleaningRules {
    const { log, snapshots, scheduler } = this.#options
    const cleanableTo = Math.min(log.highWatermark, snapshots.olderBeginOffset) as Offset
    return { rules, pinned, cleanableTo, nowMs: scheduler.nowMs() }
  }
}
