import type { Offset, RetentionPolicy } from '@gomq/protocol'
import type { CommittedState } from './committed-state.js'

/** A policy and what is dead by it. */
export interface RetentionRule {
  readonly policy: RetentionPolicy
  /** Batches of its topics that end here or below are dead, unless they are retained. */
  readonly before: Offset
}

/** What the cleaner goes by. */
export interface RetentionRules {
  readonly rules: readonly RetentionRule[]
  /** Offsets of the retained messages, ascending. Empty without policies: everything is kept then. */
  readonly pinned: Float64Array
  /** Changes with the policies; a survey of other ones counts for nothing. */
  readonly version: number
}

/** The committed policies, their floors, and what is retained: the same on every broker that has folded the same log. */
export function retentionRulesOf({ policies, retained }: CommittedState): RetentionRules {
  const rules = [...policies.values()].map(({ policy, before }) => ({ policy, before }))
  if (rules.length === 0) return { rules, pinned: new Float64Array(0), version: policies.version }
  const pinned = new Float64Array(retained.count)
  let at = 0
  for (const [, offset] of retained.entries()) pinned[at++] = offset
  return { rules, pinned: pinned.sort(), version: policies.version }
}
