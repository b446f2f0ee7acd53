import { GomqError } from './errors.js'
import { validateTopicFilter } from './topic-name.js'

/**
 * How long what is published to the topics of a filter is kept. Several bounds together: the first that is reached counts. A policy without
 * any keeps its topics for ever, which is of use below a wider one: policies never merge.
 */
export interface RetentionPolicy {
  /** The topics that it governs, unless a more specific filter of another policy matches them too: {@link comparePolicies}. */
  readonly filter: string
  /** Milliseconds after the append that a batch is kept, from 1; null: any age. */
  readonly maxAgeMs: number | null
  /** Bytes of batches kept, of all topics that the policy governs together, from 1; null: any number. The oldest go first. */
  readonly maxBytes: number | null
  /** Messages kept, of all topics that the policy governs together, from 1; null: any number. The oldest go first. */
  readonly maxCount: number | null
  /** Whether messages go once every durable subscription that overlaps the filter has acknowledged them: a work queue. */
  readonly isAckedRemoved: boolean
  /** Whether only the last message of each topic and key is kept. Messages without a key stay. */
  readonly isCompacted: boolean
  /** Milliseconds after the append that a tombstone (a key with an empty value) of a compacted topic is kept at least; from 0. */
  readonly tombstoneMs: number
}

/** Milliseconds that tombstones are kept by default: a day, so that a consumer that was away for one sees them (RELIABILITY R21). */
export const TOMBSTONE_MS_DEFAULT: number = 24 * 60 * 60 * 1000

/** A policy for ever: what a policy says where it is told nothing else. */
export const RETENTION_DEFAULTS: Omit<RetentionPolicy, 'filter'> = {
  maxAgeMs: null,
  maxBytes: null,
  maxCount: null,
  isAckedRemoved: false,
  isCompacted: false,
  tombstoneMs: TOMBSTONE_MS_DEFAULT,
}

/**
 * Checks a policy that came from outside.
 * @throws GomqError INVALID_FILTER    its filter is no topic filter
 * @throws GomqError INVALID_ARGUMENT  a bound is outside its range; the message names it
 */
export function validatePolicy(policy: RetentionPolicy): void {
  if (typeof policy.filter !== 'string')
    refuse(`filter is ${shown(policy.filter)}; it is a topic filter, as in 'orders/#'`)
  validateTopicFilter(policy.filter)
  for (const name of ['maxAgeMs', 'maxBytes', 'maxCount'] as const) {
    const value = policy[name]
    if (value !== null && !(Number.isSafeInteger(value) && value >= 1))
      refuse(`${name} is ${shown(value)}; it is a whole number from 1 to 2^53 - 1, or null for no bound`)
  }
  for (const name of ['isAckedRemoved', 'isCompacted'] as const)
    if (typeof policy[name] !== 'boolean') refuse(`${name} is ${shown(policy[name])}; it is true or false`)
  if (!Number.isSafeInteger(policy.tombstoneMs) || policy.tombstoneMs < 0)
    refuse(`tombstoneMs is ${shown(policy.tombstoneMs)}; it is a whole number of milliseconds from 0 to 2^53 - 1`)
}

/**
 * The order in which policies are tried, the most specific first: level by level from the left, a literal before `+` before `#`. Of two
 * filters that match one topic the first in this order governs it; those of one shape cannot match one topic and are ordered by their text.
 *
 *     a/b/c   a/b/+   a/+/c   a   a/#   +/b/c   #
 *
 * @returns below 0 if `a` goes first, 0 only for the same filter
 */
export function comparePolicies(a: { readonly filter: string }, b: { readonly filter: string }): number {
  if (a.filter === b.filter) return 0
  const aLevels = a.filter.split('/')
  const bLevels = b.filter.split('/')
  for (let i = 0; i < aLevels.length || i < bLevels.length; i++) {
    const order = wildness(aLevels[i]) - wildness(bLevels[i])
    if (order !== 0) return order
  }
  return a.filter < b.filter ? -1 : 1
}

/**
 * Whether some topic name matches both valid filters; the empty one counts (`+` and `/#`). Names that begin with `$` match no filter that
 * begins with a wildcard [MQTT-4.7.2-1].
 */
export function filtersOverlap(a: string, b: string): boolean {
  const aLevels = a.split('/')
  const bLevels = b.split('/')
  if (isWild(aLevels[0]!) ? b.startsWith('$') : isWild(bLevels[0]!) && a.startsWith('$')) return false
  for (let i = 0; ; i++) {
    const aLevel = aLevels[i]
    const bLevel = bLevels[i]
    if (aLevel === '#' || bLevel === '#') return true
    if (aLevel === undefined || bLevel === undefined) return aLevel === bLevel
    if (aLevel !== '+' && bLevel !== '+' && aLevel !== bLevel) return false
  }
}

/** Topics that a table remembers, and the longest of them, in characters: about 1 MiB at most. */
const REMEMBERED_TOPICS_MAX = 4096
const REMEMBERED_LENGTH_MAX = 128

/**
 * Finds what governs a topic among things with topic filters: the most specific match. Made anew when they change. An entry that comes again
 * with the same filter replaces the one before.
 */
export class PolicyTable<T extends { readonly filter: string }> {
  readonly #root: Node<T> = new Node<T>()
  readonly #remembered = new Map<string, T | undefined>()

  /** @param entries  with valid filters, in any order */
  constructor(entries: Iterable<T>) {
    for (const entry of entries) {
      let node = this.#root
      for (const level of entry.filter.split('/')) {
        let next = node.levels.get(level)
        if (next === undefined) node.levels.set(level, (next = new Node<T>()))
        node = next
      }
      node.entry = entry
    }
  }

  /** The entry whose filter matches the topic name and goes first by {@link comparePolicies}; undefined if none matches. */
  for(topic: string): T | undefined {
    const known = this.#remembered.get(topic)
    if (known !== undefined || this.#remembered.has(topic)) return known
    const found = find(this.#root, topic.split('/'), 0)
    if (topic.length <= REMEMBERED_LENGTH_MAX) {
      if (this.#remembered.size >= REMEMBERED_TOPICS_MAX) this.#remembered.clear()
      this.#remembered.set(topic, found)
    }
    return found
  }
}

/** The filters that begin with the levels on the way to it. */
class Node<T> {
  /** Of the filter that ends here. */
  entry: T | undefined = undefined
  /** Also under `+` and `#`, which are no level of a name. */
  readonly levels: Map<string, Node<T>> = new Map<string, Node<T>>()
}

/** Depth first, the most specific branch first, so that the first match is the answer; each node is met once at most. */
function find<T>(node: Node<T>, topic: readonly string[], at: number): T | undefined {
  const { levels } = node
  const mayBeWild = at > 0 || !topic[0]!.startsWith('$')
  if (at === topic.length) return node.entry ?? levels.get('#')?.entry
  const literal = levels.get(topic[at]!)
  const found = literal && find(literal, topic, at + 1)
  if (found !== undefined || !mayBeWild) return found
  const plus = levels.get('+')
  return (plus && find(plus, topic, at + 1)) ?? levels.get('#')?.entry
}

/** 0 where the filter has ended, then literal, `+`, `#`. */
function wildness(level: string | undefined): number {
  return level === undefined ? 0 : level === '#' ? 3 : level === '+' ? 2 : 1
}

function isWild(level: string): boolean {
  return level === '+' || level === '#'
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)
}

function refuse(what: string): never {
  throw new GomqError('INVALID_ARGUMENT', `the retention policy is not valid: ${what}`)
}
