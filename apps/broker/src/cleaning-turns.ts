import type { RetentionRules, WantedFloor } from '@gomq/engine'
import { GomqError, type Offset } from '@gomq/protocol'
import type { Cleaner, Log, SegmentDamage, SurveyRules } from '@gomq/storage'
import type { BrokerLog } from './broker-log.js'
import { gatherPinned, type RetainedOffsets } from './pinned-offsets.js'
import type { PolicyDryRun } from './policy-dry-run.js'
import type { Scheduler, Timer } from './scheduler.js'
import type { SnapshotWriter } from './snapshot-writer.js'

/** What cleaning works with. */
export interface CleaningTurnsOptions {
  readonly log: Log
  readonly cleaner: Cleaner & { close?(): Promise<void> }
  readonly snapshots: SnapshotWriter
  readonly scheduler: Scheduler
  readonly brokerLog: BrokerLog
  /** From the end of one turn to the next. */
  readonly intervalMs: number
  readonly segmentBytes: number
  /** The rules as they are committed; undefined while this broker does not know them: nothing is cleaned. */
  retentionRules(): RetentionRules | undefined
  /** What is retained, by the same state as the rules: gone through in slices while it changes. */
  retainedOffsets(): RetainedOffsets
  /** Whether floors are this broker's to raise; true by default. */
  mayRaiseFloors?(): boolean
  /** Asks for floors; settles when those that rose are committed. */
  handleSurvey(floors: readonly WantedFloor[], version: number): Promise<void>
  /** The log begins here now. */
  handleLogStart(offset: Offset): void
}

/**
 * Keeps the log bounded, turn by turn: what the policies ask for is surveyed, made a record of the log, and only when that has committed are
 * bytes removed by it. Readers and appends go on meanwhile.
 *
 *     rules -> survey -> engine: floors rise, a record -> committed -> what is retained -> clean -> segments swapped, log start moved -> engine told
 *
 * A member of a cluster raises no floors: it cleans by those that its leader has made records.
 *
 * A turn that fails is logged and loses nothing: the next one begins anew.
 */
export class CleaningTurns {
  readonly #options: CleaningTurnsOptions
  #timer: Timer | undefined
  /** What the cleaner does last. */
  #last: Promise<void> = Promise.resolve()
  #isStopped = false
  #isFull = false
  /** Ends the wait for floors to commit. */
  #giveUpWaiting: () => void = () => undefined
  #removedBytes = 0
  #rewrittenBytes = 0
  /** Files of the damaged segments that are known: each is logged once. */
  #damaged: ReadonlySet<string> = new Set()
  /** Bytes that may be rewritten: one for each that was appended, and one segment ahead. */
  #budgetBytes: number

  constructor(options: CleaningTurnsOptions) {
    this.#options = options
    this.#budgetBytes = options.segmentBytes
  }

  /**
   * Since the start of the broker: bytes of files that are gone, less what was written in their place; and those bytes. And how many segments
   * the last turn left alone since they are damaged.
   */
  get stats(): { readonly cleanedBytes: number; readonly rewrittenBytes: number; readonly damagedSegments: number } {
    return {
      cleanedBytes: this.#removedBytes,
      rewrittenBytes: this.#rewrittenBytes,
      damagedSegments: this.#damaged.size,
    }
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

  /** The log waits for room, or does no longer. Floors cannot commit then, but what is dead by those that hold can go, and makes room. */
  handleFull(isFull: boolean): void {
    this.#isFull = isFull
    if (isFull) this.#giveUpWaiting()
  }

  /** Runs a turn now, or when what is under way has ended. */
  run(): Promise<void> {
    return this.alone(() => this.#run())
  }

  /** What `policy` would remove at once if it held; nothing is changed. */
  readonly dryRun: PolicyDryRun = async (policy) => {
    const { log, cleaner, retentionRules } = this.#options
    const known = retentionRules()
    if (known === undefined) throw new GomqError('NO_LEADER', 'the broker does not know its policies yet; try again')
    const others = known.rules.filter((rule) => rule.policy.filter !== policy.filter)
    const before = known.rules.find((rule) => rule.policy.filter === policy.filter)?.before ?? (0 as Offset)
    const rules = this.#surveyRules({ ...known, rules: [...others, { policy, before }] })
    const { policies } = await this.alone(() => cleaner.survey(log, rules))
    const found = policies.find(({ filter }) => filter === policy.filter)!
    const { wanted, keptBytes, goingBytes, deadBytes } = found
    return { before: wanted, deadBytes: deadBytes + goingBytes, liveBytes: keptBytes - goingBytes }
  }

  /** Ends the turn that is under way, and begins no other. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    await this.#options.cleaner.close?.()
    await this.#last
  }

  async #run(): Promise<void> {
    const { brokerLog } = this.#options
    if (this.#isStopped) return
    try {
      await this.#raiseFloors()
      if (!this.#isStopped) await this.#clean()
    } catch (error) {
      if (!this.#isStopped)
        brokerLog.error({ err: error }, 'the log could not be cleaned; nothing is lost, and it is tried again')
    }
  }

  async #raiseFloors(): Promise<void> {
    const { log, cleaner, retentionRules, handleSurvey, mayRaiseFloors } = this.#options
    const known = retentionRules()
    if (known === undefined || known.rules.length === 0 || this.#isFull || mayRaiseFloors?.() === false) return
    const { floors, damages } = await cleaner.survey(log, this.#surveyRules(known))
    this.#tell(damages)
    if (this.#isStopped || this.#isFull) return
    const full = new Promise<void>((resolve) => {
      this.#giveUpWaiting = resolve
    })
    await Promise.race([handleSurvey(floors, known.version), full])
  }

  async #clean(): Promise<void> {
    const { log, cleaner, retentionRules, retainedOffsets, scheduler, handleLogStart, brokerLog } = this.#options
    const known = retentionRules()
    if (known === undefined) return
    try {
      // In this order: what becomes retained later stands above `cleanableTo`.
      const rules = this.#surveyRules(known)
      const pinned = await gatherPinned(retainedOffsets(), rules.cleanableTo, scheduler, () => this.#isStopped)
      if (pinned === undefined) return
      const { damages, ...cleaned } = await cleaner.clean(log, { ...rules, pinned }, this.#budgetBytes)
      this.#tell(damages)
      this.#budgetBytes -= cleaned.rewrittenBytes
      this.#removedBytes += cleaned.removedBytes
      this.#rewrittenBytes += cleaned.rewrittenBytes
      if (cleaned.removedBytes > 0) brokerLog.info(cleaned, 'the log was cleaned')
    } finally {
      // What failed later may have moved the start before.
      handleLogStart(log.logStartOffset)
    }
  }

  #tell(damages: readonly SegmentDamage[]): void {
    for (const { file, byte, offset, message } of damages)
      if (!this.#damaged.has(file))
        this.#options.brokerLog.error(
          { file, byte, offset, reason: message },
          'a segment of the log is damaged: cleaning leaves it alone and goes on with the others',
        )
    this.#damaged = new Set(damages.map(({ file }) => file))
  }

  #surveyRules({ rules }: RetentionRules): SurveyRules {
    const { log, snapshots, scheduler } = this.#options
    const cleanableTo = Math.min(log.highWatermark, snapshots.olderBeginOffset) as Offset
    return { rules, cleanableTo, nowMs: scheduler.nowMs() }
  }

  /** The cleaner does one thing at a time: `work` waits for its turn, and the cleaner for its end. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.then(
      () => undefined,
      () => undefined,
    )
    return turn
  }
}
