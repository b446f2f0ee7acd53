import { invariant, type Offset, PolicyTable, type RetentionPolicy } from '@gomq/protocol'

/** A policy and what of its topics is dead by it already. */
export interface RetentionRule {
  readonly policy: RetentionPolicy
  /** The policy's floor: batches that end at or below it are dead, except those that are pinned. 0: none yet. */
  readonly before: Offset
}

/** What a survey goes by: committed state, the same on every broker. Plain values, which may go to a worker. */
export interface SurveyRules {
  /** In any order; the most specific filter that matches a topic governs it. */
  readonly rules: readonly RetentionRule[]
  /**
   * Nothing that ends above it is cleaned: the high watermark, or the begin of the older snapshot if that is lower. Control batches below are
   * in the snapshot and dead.
   */
  readonly cleanableTo: Offset
  /** Now, ms since 1970, on the clock that stamps append times. */
  readonly nowMs: number
}

/** What the cleaner goes by: plain values as well. */
export interface CleaningRules extends SurveyRules {
  /**
   * Offsets of messages that live whatever the rules say: the retained ones. In any order; each once. More of them than needed do no harm, but none below
   * `cleanableTo` may be missing. In a SharedArrayBuffer, which nobody writes to during the call, a million of them go to a worker at once.
   */
  readonly pinned: Float64Array
}

/** In the place of a rule's index: no rule governs the topic. */
export const NO_RULE = -1

/** Rules in a form that answers quickly. */
export class RuleBook {
  readonly rules: readonly RetentionRule[]
  readonly cleanableTo: Offset
  readonly nowMs: number
  /** Changes with the filters and their order, and with nothing else: what indexes of rules are good for. */
  readonly filters: string
  readonly #sorted: Float64Array | undefined
  readonly #table: PolicyTable<{ readonly filter: string; readonly index: number }>

  /** @param from  those of a survey do not know what is pinned, and must not be asked */
  constructor(from: SurveyRules | CleaningRules) {
    const { rules, cleanableTo, nowMs } = from
    this.rules = rules
    // What others may look at as well is not sorted in its place.
    this.#sorted = 'pinned' in from ? from.pinned.slice().sort() : undefined
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
    return this.#pinned[this.#pinnedFrom(offset)] === offset
  }

  /** How many are pinned from `from` to before `to`, and the sum of their offsets: two sets that differ hardly agree in both. */
  pinnedWithin(from: Offset, to: Offset): { readonly count: number; readonly sum: number } {
    const pinned = this.#pinned
    const start = this.#pinnedFrom(from)
    let at = start
    let sum = 0
    for (; at < pinned.length && pinned[at]! < to; at++) sum += pinned[at]! - from
    return { count: at - start, sum }
  }

  get #pinned(): Float64Array {
    invariant(this.#sorted !== undefined, 'what is pinned was not gathered, and something is to be removed')
    return this.#sorted
  }

  #pinnedFrom(offset: Offset): number {
    const pinned = this.#pinned
    let low = 0
    let high = pinned.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (pinned[middle]! < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
