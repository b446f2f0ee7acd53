import type { Offset, RetentionPolicy } from '@gomq/protocol'
import type { CommittedState } from './committed-state.js'

/** A policy and what is dead by it. */
export interface RetentionRule {
  readonly policy: RetentionPolicy
  /** Batches of its topics that end here or below are dead, unless they are retained. */
  readonly before: Offset
}

/** What a survey goes by, and the cleaner together with what is retained. */
export interface RetentionRules {
  readonly rules: readonly RetentionRule[]
  /** Changes with the policies; a survey of other ones counts for nothing. */
  readonly version: number
}

/** The committed policies and their floors: the same on every broker that has folded the same log. */
export function retentionRulesOf({ policies }: CommittedState): RetentionRules {
  const rules = [...policies.values()].map(({ policy, before }) => ({ policy, before }))
  return { rules, version: policies.version }
}

/**
 * Offsets of the retained messages, in no order: a live walk, to be gone through a few at a time. What is retained when it begins and still
 * is at its end is in it; what becomes retained meanwhile stands above everything that was committed then.
 */
export function retainedOffsetsOf({ retained }: CommittedState): {
  readonly count: number
  readonly offsets: Iterable<Offset>
} {
  return { count: retained.count, offsets: retained.offsets() }
}
