import { filtersOverlap, type Offset, PolicyTable, type RetentionPolicy } from '@gomq/protocol'
import type { ControlRecord } from './control-record.js'
import { fromFields, type PolicyFields, toFields } from './policy-fields.js'

/** A policy with its floor. */
export interface PolicyEntry {
  readonly filter: string
  readonly policy: RetentionPolicy
  /** Batches of topics that the policy governs and that end here or below are dead, but for what is retained. Only rises. */
  before: Offset
  /** Offset of the record that changed it last. */
  changedAt: number
}

/** The floors of one moment. Never changes, so that a subscription can remember what was dead when it began. */
export interface Floors {
  readonly byFilter: ReadonlyMap<string, number>
  /** The highest floor of a policy that was removed: where it had cleaned, messages are gone all the same. */
  readonly removed: number
}

/** Where something of a few filters may have been removed: [from, to). Empty: nowhere. */
export interface ThinnedBounds {
  readonly from: number
  readonly to: number
}

const NOWHERE: ThinnedBounds = { from: 0, to: 0 }
const NO_FLOORS: Floors = { byFilter: new Map(), removed: 0 }

/**
 * The committed policies and their floors: a fold over control records in which older ones than an entry's last change are ignored, so that
 * a stretch of the log may be applied twice. To replace the policy of a filter keeps its floor, to remove it forgets the floor.
 */
export class Policies {
  readonly #byFilter = new Map<string, PolicyEntry>()
  #table: PolicyTable<PolicyEntry> | undefined
  #floors: Floors | undefined
  #floorMax = 0
  #removedBefore = 0
  #version = 0

  get count(): number {
    return this.#byFilter.size
  }

  /** Grows whenever a policy comes, changes or goes; floors do not count. */
  get version(): number {
    return this.#version
  }

  /** No floor is higher: what ends above is not dead. 0: nothing is. */
  get floorMax(): number {
    return this.#floorMax
  }

  /** The floors as they are now. */
  get floors(): Floors {
    this.#floors ??=
      this.#floorMax === 0 && this.#removedBefore === 0
        ? NO_FLOORS
        : {
            byFilter: new Map([...this.#byFilter.values()].map(({ filter, before }) => [filter, before])),
            removed: this.#removedBefore,
          }
    return this.#floors
  }

  /** The policy with exactly this filter. */
  get(filter: string): PolicyEntry | undefined {
    return this.#byFilter.get(filter)
  }

  /** The policy that governs a topic: the most specific one. */
  for(topic: string): PolicyEntry | undefined {
    if (this.#byFilter.size === 0) return undefined
    this.#table ??= new PolicyTable(this.#byFilter.values())
    return this.#table.for(topic)
  }

  /** Every policy; a live walk. */
  values(): IterableIterator<PolicyEntry> {
    return this.#byFilter.values()
  }

  /** Applies the control record at `offset`. */
  apply(record: ControlRecord, offset: number): void {
    if (record.kind === 'policy') {
      const known = this.#byFilter.get(record.policy.filter)
      this.#put(record.policy, known?.before ?? (0 as Offset), offset)
    } else if (record.kind === 'retentionTick') {
      for (const [filter, before] of record.floors) this.#raise(filter, before, offset)
    } else if (record.kind === 'removePolicy') {
      const known = this.#byFilter.get(record.filter)
      if (known === undefined || known.changedAt >= offset) return
      this.#byFilter.delete(record.filter)
      this.#removedBefore = Math.max(this.#removedBefore, known.before)
      this.#handleChanged()
    }
  }

  /** Everything, as arrays for a snapshot; a live walk. What removed policies leave behind comes last: one that is removed meanwhile counts. */
  *entries(): Generator<unknown[]> {
    for (const { policy, before, changedAt } of this.#byFilter.values()) yield [toFields(policy), before, changedAt]
    if (this.#removedBefore > 0) yield [null, this.#removedBefore]
  }

  /** Takes back what {@link entries} gave. */
  restore(entry: readonly unknown[]): void {
    const [fields, before, changedAt] = entry as [PolicyFields | null, Offset, number]
    if (fields !== null) this.#put(fromFields(fields), before, changedAt)
    else {
      this.#removedBefore = Math.max(this.#removedBefore, before)
      this.#floors = undefined
    }
  }

  #put(policy: RetentionPolicy, before: Offset, changedAt: number): void {
    const { filter } = policy
    const known = this.#byFilter.get(filter)
    if (known !== undefined && known.changedAt >= changedAt) return
    this.#byFilter.set(filter, { filter, policy, before, changedAt })
    this.#handleChanged()
  }

  #raise(filter: string, before: Offset, offset: number): void {
    const entry = this.#byFilter.get(filter)
    if (entry === undefined || entry.changedAt >= offset) return
    entry.changedAt = offset
    if (before <= entry.before) return
    entry.before = before
    this.#floorMax = Math.max(this.#floorMax, before)
    this.#floors = undefined
  }

  #handleChanged(): void {
    this.#version++
    this.#table = undefined
    this.#floors = undefined
    this.#floorMax = 0
    for (const { before } of this.#byFilter.values()) this.#floorMax = Math.max(this.#floorMax, before)
  }
}

/**
 * Where retention may have removed messages of `filters`.
 *
 *     floors {a/#: 500, b: 900}   filters [a/+]             -> [0, 500)
 *     the same, known {a/#: 200}                            -> [200, 500)
 *
 * @param known  floors that do not count, up to where they were then; undefined: none
 */
export function thinnedBounds(floors: Floors, filters: readonly string[], known: Floors | undefined): ThinnedBounds {
  if (floors === NO_FLOORS) return NOWHERE
  let from = Number.POSITIVE_INFINITY
  let to = 0
  const take = (before: number, knownBefore: number) => {
    if (before <= knownBefore) return
    from = Math.min(from, knownBefore)
    to = Math.max(to, before)
  }
  take(floors.removed, known?.removed ?? 0)
  for (const [policyFilter, before] of floors.byFilter)
    if (before > 0 && filters.some((filter) => filtersOverlap(filter, policyFilter)))
      take(before, known?.byFilter.get(policyFilter) ?? 0)
  return to === 0 ? NOWHERE : { from, to }
}
