import type { RetentionPolicy } from '@gomq/protocol'

/** A policy as it stands in control records and snapshots. */
export type PolicyFields = readonly [
  filter: string,
  maxAgeMs: number | null,
  maxBytes: number | null,
  maxCount: number | null,
  isAckedRemoved: boolean,
  isCompacted: boolean,
  tombstoneMs: number,
]

/** The fields of a policy, in their order on disk. */
export function toFields(policy: RetentionPolicy): PolicyFields {
  const { filter, maxAgeMs, maxBytes, maxCount, isAckedRemoved, isCompacted, tombstoneMs } = policy
  return [filter, maxAgeMs, maxBytes, maxCount, isAckedRemoved, isCompacted, tombstoneMs]
}

/** The policy with these {@link toFields}. Fields behind them belong to later versions. */
export function fromFields(fields: PolicyFields): RetentionPolicy {
  const [filter, maxAgeMs, maxBytes, maxCount, isAckedRemoved, isCompacted, tombstoneMs] = fields
  return { filter, maxAgeMs, maxBytes, maxCount, isAckedRemoved, isCompacted, tombstoneMs }
}
