import type { Offset, RetentionPolicy } from '@gomq/protocol'

/** What a retention policy would remove if it was put now. */
export interface PolicyDryRunResult {
  /** The floor that it would have: batches of its topics that end here or below would be dead, unless they are retained. */
  readonly before: Offset
  /** Bytes of the stored batches that it would govern and that would be dead. */
  readonly deadBytes: number
  /** Bytes of the stored batches that it would govern and that would stay. */
  readonly liveBytes: number
}

/**
 * Looks through the log for what a valid policy would remove, as if it stood beside the others and in place of the one with its filter.
 * Changes nothing. Compaction is not counted.
 */
export type PolicyDryRun = (policy: RetentionPolicy) => Promise<PolicyDryRunResult>
