import type { Offset } from '@gomq/protocol'
import type { RetentionRule, RuleBook } from './rules.js'
import type { RuleTotals, SegmentDigest } from './segment-digest.js'

/** What a survey says about one policy. Bytes and messages are those on the disk now, below the high watermark. */
export interface PolicySurvey {
  readonly filter: string
  /** Its floor now. */
  readonly before: Offset
  /** The floor that age, bytes and count ask for; never below the one now. */
  readonly wanted: Offset
  /** Batches that its rule kept so far, and what of them would go with the wanted floor. */
  readonly keptBytes: number
  readonly keptCount: number
  readonly goingBytes: number
  readonly goingCount: number
  /** Batches below its floor that are not removed yet: pinned ones too. */
  readonly deadBytes: number
}

/**
 * Finds the floor that one policy asks for: told of its batches from the newest to the oldest, in whole parts of the log or one by one.
 *
 * A batch goes when the batches behind it reach the bound already, or when it has the age. So the newest `maxCount` messages are always
 * kept, and at most the rest of one batch beyond them.
 *
 *     maxCount 5     batches of 2 3 2 1 2, oldest first
 *     behind them:              8 5 3 2 0   -> the floor is the end of the second
 */
export class FloorSearch {
  readonly #rule: RetentionRule
  readonly #nowMs: number
  readonly #survey: { -readonly [Field in keyof PolicySurvey]: PolicySurvey[Field] }
  #bytes = 0
  #count = 0

  constructor(rule: RetentionRule, nowMs: number) {
    const { filter } = rule.policy
    this.#rule = rule
    this.#nowMs = nowMs
    this.#survey = {
      filter,
      before: rule.before,
      wanted: rule.before,
      keptBytes: 0,
      keptCount: 0,
      goingBytes: 0,
      goingCount: 0,
      deadBytes: 0,
    }
  }

  /** What was found, once the oldest batch was seen. */
  get survey(): PolicySurvey {
    return this.#survey
  }

  /** Takes all batches of the policy in a part of the log at once; false if it must see them one by one, because a floor lies among them. */
  takeAll(totals: RuleTotals, firstOffset: Offset): boolean {
    const { before, wanted } = this.#survey
    if (totals.endOffset <= before) {
      this.#survey.deadBytes += totals.bytes
      return true
    }
    if (firstOffset < before) return false
    if (wanted === before) {
      if (!this.#staysWith(totals)) return false
      this.#bytes += totals.bytes
      this.#count += totals.count
    } else {
      this.#survey.goingBytes += totals.bytes
      this.#survey.goingCount += totals.count
    }
    this.#survey.keptBytes += totals.bytes
    this.#survey.keptCount += totals.count
    return true
  }

  /** Takes the next older batch. */
  take(endOffset: Offset, bytes: number, count: number, timeMs: number): void {
    const survey = this.#survey
    if (endOffset <= survey.before) {
      survey.deadBytes += bytes
      return
    }
    survey.keptBytes += bytes
    survey.keptCount += count
    if (survey.wanted === survey.before && this.#goes(timeMs)) survey.wanted = endOffset
    if (survey.wanted > survey.before) {
      survey.goingBytes += bytes
      survey.goingCount += count
    }
    this.#bytes += bytes
    this.#count += count
  }

  /** Whether a batch of this age goes, with what was seen behind it. */
  #goes(timeMs: number): boolean {
    const { maxAgeMs, maxBytes, maxCount } = this.#rule.policy
    return (
      (maxAgeMs !== null && timeMs + maxAgeMs <= this.#nowMs) ||
      (maxBytes !== null && this.#bytes >= maxBytes) ||
      (maxCount !== null && this.#count >= maxCount)
    )
  }

  /** Whether surely none of these batches goes. */
  #staysWith(totals: RuleTotals): boolean {
    const { maxAgeMs, maxBytes, maxCount } = this.#rule.policy
    return (
      (maxAgeMs === null || totals.firstTimeMs + maxAgeMs > this.#nowMs) &&
      (maxBytes === null || this.#bytes + totals.bytes <= maxBytes) &&
      (maxCount === null || this.#count + totals.count <= maxCount)
    )
  }
}

/** A part of the log: what all batches of each rule come to, and the batches one by one when they are needed. */
export interface SurveyedPart {
  readonly baseOffset: Offset
  readonly totals: ReadonlyMap<number, RuleTotals>
  readonly digest: () => Promise<SegmentDigest>
}

/** Surveys all policies. @param parts  of the log, from the newest to the oldest */
export async function surveyFloors(book: RuleBook, parts: readonly SurveyedPart[]): Promise<PolicySurvey[]> {
  const searches = book.rules.map((rule) => new FloorSearch(rule, book.nowMs))
  for (const { baseOffset, totals, digest } of parts) {
    const oneByOne = new Set<number>()
    for (const [rule, ofRule] of totals)
      if (rule >= 0 && !searches[rule]!.takeAll(ofRule, baseOffset)) oneByOne.add(rule)
    if (oneByOne.size === 0) continue
    const batches = await digest()
    for (let at = batches.count - 1; at >= 0; at--) {
      const rule = batches.ruleAt(at)
      if (oneByOne.has(rule))
        searches[rule]!.take(batches.endOffsetAt(at), batches.bytesAt(at), batches.recordsAt(at), batches.timeMsAt(at))
    }
  }
  return searches.map(({ survey }) => survey)
}
