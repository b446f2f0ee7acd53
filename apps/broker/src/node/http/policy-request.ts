import { RETENTION_DEFAULTS, type RetentionPolicy, TOMBSTONE_MS_DEFAULT, validatePolicy } from '@gomq/protocol'
import { parseSize } from '../configuration/values.js'
import { type Field, oneOf, parseFields, refuse, topicFilter } from './field.js'

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The fields of a policy in a JSON body. */
export const POLICY_FIELDS: {
  readonly filter: Field<string>
  readonly maxAgeMs: Field<number | null>
  readonly maxBytes: Field<number | null>
  readonly maxCount: Field<number | null>
  readonly isAckedRemoved: Field<boolean>
  readonly isCompacted: Field<boolean>
  readonly tombstoneMs: Field<number | null>
} = {
  filter: { ...topicFilter('The topics that the policy governs.'), isRequired: true },
  maxAgeMs: amount(1, durationMs, "a duration such as '7d' or '12h', or milliseconds", 'Time that messages are kept.'),
  maxBytes: amount(
    1,
    parseSize,
    "a size such as '1GiB', or bytes",
    'Bytes kept, of all topics of the policy together.',
  ),
  maxCount: amount(1, () => undefined, 'a whole number', 'Messages kept, of all topics of the policy together.'),
  isAckedRemoved: oneOf([true, false], 'Whether messages go once every durable subscription has them.', false),
  isCompacted: oneOf([true, false], 'Whether only the last message of each topic and key is kept.', false),
  tombstoneMs: amount(
    0,
    durationMs,
    "a duration such as '24h', or milliseconds",
    `Time that the empty last message of a key is kept at least; ${TOMBSTONE_MS_DEFAULT} by default.`,
  ),
}

/** @throws GomqError INVALID_ARGUMENT, INVALID_FILTER */
export function parsePolicy(given: unknown): RetentionPolicy {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return refuse('the body is no JSON object; send {"filter": ..., "maxAgeMs": "7d"}')
  const fields = parseFields(POLICY_FIELDS, given as Record<string, unknown>, 'field')
  const policy: RetentionPolicy = {
    filter: fields.filter!,
    maxAgeMs: fields.maxAgeMs ?? RETENTION_DEFAULTS.maxAgeMs,
    maxBytes: fields.maxBytes ?? RETENTION_DEFAULTS.maxBytes,
    maxCount: fields.maxCount ?? RETENTION_DEFAULTS.maxCount,
    isAckedRemoved: fields.isAckedRemoved ?? RETENTION_DEFAULTS.isAckedRemoved,
    isCompacted: fields.isCompacted ?? RETENTION_DEFAULTS.isCompacted,
    tombstoneMs: fields.tombstoneMs ?? RETENTION_DEFAULTS.tombstoneMs,
  }
  validatePolicy(policy)
  return policy
}

/** A whole number, or text that `parse` reads as one; null where there is no bound. */
function amount(
  min: number,
  parse: (text: string) => number | undefined,
  expected: string,
  description: string,
): Field<number | null> {
  return {
    schema: {
      type: ['integer', 'string', 'null'],
      minimum: min,
      description: `${description} As ${expected}; null: none.`,
    },
    parse: (value, name) => {
      if (value === null) return null
      const number = typeof value === 'string' ? parse(value) : value
      return typeof number === 'number' && Number.isSafeInteger(number) && number >= min
        ? number
        : refuse(`${name} is not ${expected}, from ${min}`)
    },
  }
}

/** Milliseconds of a duration such as `500ms`, `10s`, `2m`, `1h` or `7d`; undefined if it is none. */
function durationMs(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text)
  return match === null ? undefined : Number(match[1]) * UNIT_MS[match[2]!]!
}
