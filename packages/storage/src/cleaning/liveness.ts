import {
  Attribute,
  appendTimeMsOf,
  attributesOf,
  baseOffsetOf,
  isControl,
  nextOffsetOf,
  type Offset,
  topicOf,
  ttlMsOf,
} from '@gomq/protocol'
import { EXPIRY_MARGIN_MS } from '../limits.js'
import { NO_RULE, type RuleBook } from './rules.js'

/** What decides about a batch as a whole: its header and who governs its topic. */
export interface BatchFacts {
  readonly baseOffset: Offset
  /** Offset after its last record. */
  readonly endOffset: Offset
  readonly isControl: boolean
  /** Index of the rule that governs its topic, or {@link NO_RULE}. */
  readonly rule: number
  /** When its records are no longer delivered, ms since 1970; 0: never. */
  readonly expiresAtMs: number
}

/** The facts in the header and topic of a batch. */
export function factsOf(head: Uint8Array, book: RuleBook): BatchFacts {
  const control = isControl(head)
  return {
    baseOffset: baseOffsetOf(head),
    endOffset: nextOffsetOf(head),
    isControl: control,
    rule: control ? NO_RULE : book.ruleFor(topicOf(head)),
    expiresAtMs: (attributesOf(head) & Attribute.EXPIRING) === 0 ? 0 : appendTimeMsOf(head) + ttlMsOf(head),
  }
}

/**
 * Whether nobody needs the batch any more. In this order:
 *
 * - what ends above `cleanableTo` lives;
 * - a control batch is dead: the snapshot has what it did;
 * - a pinned message lives;
 * - what expired {@link EXPIRY_MARGIN_MS} ago is dead;
 * - what ends at or below the floor of its rule is dead;
 * - the rest lives.
 */
export function isDeadBatch(facts: BatchFacts, book: RuleBook): boolean {
  if (facts.endOffset > book.cleanableTo) return false
  if (facts.isControl) return true
  const isExpired = facts.expiresAtMs > 0 && facts.expiresAtMs + EXPIRY_MARGIN_MS <= book.nowMs
  if (!isExpired && facts.endOffset > book.beforeOf(facts.rule)) return false
  return !book.isPinned(facts.baseOffset)
}
