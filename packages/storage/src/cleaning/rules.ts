import { type Offset, PolicyTable, type RetentionPolicy } from '@gomq/protocol'

/** A policy and what of its topics is dead by it already. */
export interface RetentionRule {
  readonly policy: RetentionPolicy
  /** The policy's floor: batches that end at or below it are dead, except those that are pinned. 0: none yet. */
  readonly before: Offset
}

/** What the cleaner goes by: committed state, the same on every broker. Plain values, which may go to a worker. */
export interface CleaningRules {
  /** In any order; the most specific filter that matches a topic governs it. */
  readonly rules: readonly RetentionRule[]
  /**
   * Offsets of messages that live whatever the rules say: the retained ones. Ascending. A million of them are copied for a worker in about a
   * millisecond; not at all if they lie in a SharedArrayBuffer, which nobody may write to during the call.
   */
  readonly pinned: Float64Array
  /**
   * Nothing that ends above it is cleaned: the high watermark, or the begin of the older snapshot if that is lower. Control batches below are
   * in the snapshot and dead.
   */
  readonly cleanableTo: Offset
  /** Now, ms since 1970, on the clock that stamps append times. */
  readonly nowMs: number
}

/** In the place of a rule's index: no rule governs the topic. */
export const NO_RULE = -1

/** {@link CleaningRules} in a form that answers quickly. */
export class RuleBook {
  readonly rules: readonly RetentionRule[]
  readonly pinned: Float64Array
  readonly cleanableTo: Offset
  readonly nowMs: number
  /** Changes with the filters and their order, and with nothing else: what indexes of rules are good for. */
  readonly filters: string
  readonly #table: PolicyTable<{ readonly filter: string; readonly index: number }>

  constructor({ rules, pinned, cleanableTo, nowMs }: CleaningRules) {
    this.rules = rules
    this.pinned = pinned
    this.cleanableTo = cleanableTo
    this.nowMs = nowMs
    this.filters = JSON.stringify(rules.map(({ policy }) => policy.filter))
    this.#table = new PolicyTable(rules.map(({ policy }, index) => ({ filter: policy.filter, index })))
  }

  /** Index in {@link rules} of the one that governs the topic; {@link NO_RULE} if none does. */
  ruleFor(topic: string): number {
    return this.#table.for(topic)?.index ?? NO_RULE
  }

  /** The floor of a rule; 0 for {@link NO_RULE}. */
  beforeOf(rule: number): Offset {
    return rule === NO_RULE ? (0 as Offset) : this.rules[rule]!.before
  }

  /** Whether the rule compacts by key. */
  isCompacted(rule: number): boolean {
    return rule !== NO_RULE && this.rules[rule]!.policy.isCompacted
  }

  /** Whether a message at this offset is pinned. */
  isPinned(offset: Offset): boolean {
    return this.pinned[this.#pinnedFrom(offset)] === offset
  }

  /** How many are pinned from `from` to before `to`, and the sum of their offsets: two sets that differ hardly agree in both. */
  pinnedWithin(from: Offset, to: Offset): { readonly count: number; readonly sum: number } {
    const start = this.#pinnedFrom(from)
    let at = start
    let sum = 0
    for (; at < this.pinned.length && this.pinned[at]! < to; at++) sum += this.pinned[at]! - from
    return { count: at - start, sum }
  }

  #pinnedFrom(offset: Offset): number {
    let low = 0
    let high = this.pinned.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.pinned[middle]! < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
