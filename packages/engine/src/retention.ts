import { GomqError, type Offset, type RetentionPolicy, validatePolicy } from '@gomq/protocol'
import { type AckedPlace, ackedFloors } from './acked-floors.js'
import type { Cursors } from './cursors.js'
import type { EngineContext } from './engine-context.js'
import { ACKED_CURSOR_OFFSETS, POLICIES_MAX } from './limits.js'

/** A floor that a survey of the log asks for. */
export interface WantedFloor {
  readonly filter: string
  readonly before: Offset
}

/** Policies and their floors as commands of the leader: what is to hold is a control record, and holds once that has committed. */
export class Retention {
  readonly #context: EngineContext
  readonly #cursors: Cursors

  constructor(context: EngineContext, cursors: Cursors) {
    this.#context = context
    this.#cursors = cursors
  }

  /**
   * Raises floors, in one control record, or none if nothing rises. A survey of other policies than those that hold, or are about to, is left
   * alone: what it found may be what somebody has just chosen to keep.
   * @returns the offset that has to commit for the floors to hold; undefined: nothing rose
   */
  handleSurvey(wanted: readonly WantedFloor[], version: number, nowMs: number): Offset | undefined {
    const { state, queue, delivery } = this.#context
    const pending = new Map<string, number>()
    const places: AckedPlace[] = []
    for (const record of queue.pendingControl()) {
      if (record.kind === 'policy' || record.kind === 'removePolicy') return undefined
      if (record.kind === 'subscription') places.push(record)
      if (record.kind === 'retentionTick') for (const [filter, before] of record.floors) pending.set(filter, before)
    }
    if (version !== state.policies.version) return undefined
    const risen = new Map<string, number>()
    const raise = (filter: string, floor: number) => {
      const entry = state.policies.get(filter)
      const before = Math.min(floor, delivery.highWatermark)
      if (entry === undefined || before <= Math.max(entry.before, pending.get(filter) ?? 0, risen.get(filter) ?? 0))
        return
      risen.set(filter, before)
    }
    for (const { filter, before } of wanted) raise(filter, before)
    for (const [filter, before] of this.#acked(places, nowMs)) raise(filter, before)
    if (risen.size === 0) return undefined
    queue.appendControl([{ kind: 'retentionTick', floors: [...risen] as [string, Offset][] }], nowMs)
    return queue.logEndOffset
  }

  /**
   * @param onCommitted  called when the policy holds
   * @throws GomqError INVALID_FILTER, INVALID_ARGUMENT  as `validatePolicy` refuses it
   * @throws GomqError LIMIT_EXCEEDED                    there are too many
   */
  put(policy: RetentionPolicy, nowMs: number, onCommitted?: () => void): void {
    validatePolicy(policy)
    const filters = this.#filtersToBe()
    if (filters.size >= POLICIES_MAX && !filters.has(policy.filter))
      throw new GomqError('LIMIT_EXCEEDED', `there are ${POLICIES_MAX} retention policies, the limit; remove one first`)
    this.#context.queue.appendControl([{ kind: 'policy', policy }], nowMs, onCommitted)
  }

  /**
   * @param onCommitted  called when the policy is gone
   * @throws GomqError NO_SUCH_POLICY
   */
  remove(filter: string, nowMs: number, onCommitted?: () => void): void {
    if (!this.#filtersToBe().has(filter)) throw noSuchPolicy(filter)
    this.#context.queue.appendControl([{ kind: 'removePolicy', filter }], nowMs, onCommitted)
  }

  /** The filters of policies once everything on its way has committed. */
  #filtersToBe(): Set<string> {
    const { state, queue } = this.#context
    const filters = new Set<string>()
    for (const { filter } of state.policies.values()) filters.add(filter)
    for (const record of queue.pendingControl()) {
      if (record.kind === 'policy') filters.add(record.policy.filter)
      if (record.kind === 'removePolicy') filters.delete(record.filter)
    }
    return filters
  }

  /** Floors of the policies that remove what is acknowledged. @param coming  subscriptions on their way to the log */
  #acked(coming: readonly AckedPlace[], nowMs: number): Iterable<[string, number]> {
    const { durables, policies } = this.#context.state
    const filters: string[] = []
    for (const { filter, policy } of policies.values()) if (policy.isAckedRemoved) filters.push(filter)
    if (filters.length === 0) return []
    this.#keepCursors(nowMs)
    return ackedFloors(filters, both(durables.values(), coming))
  }

  /** Only what is committed counts, and idle subscriptions commit their place seldom: those far behind it are kept now, for the next survey. */
  #keepCursors(nowMs: number): void {
    const { connections, delivery, state } = this.#context
    const offsetsMax = ACKED_CURSOR_OFFSETS + 2 * state.durables.count
    for (const connection of connections.values())
      for (const subscription of connection.subscriptions.values()) {
        if (subscription.name === null || subscription.state === 'waiting') continue
        const behind = subscription.cursorPosition(delivery.highWatermark) - subscription.persistedPosition
        if (subscription.isCursorDirty || behind > offsetsMax) this.#cursors.refresh(subscription)
      }
    this.#cursors.flush(nowMs)
  }
}

/** There is no policy with this filter. */
function noSuchPolicy(filter: string): GomqError {
  return new GomqError(
    'NO_SUCH_POLICY',
    `no policy has the filter ${JSON.stringify(filter.slice(0, 80))}; see the list of policies`,
  )
}

function* both<T>(first: Iterable<T>, second: Iterable<T>): Generator<T> {
  yield* first
  yield* second
}
