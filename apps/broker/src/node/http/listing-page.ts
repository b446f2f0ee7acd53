import { setImmediate } from 'node:timers/promises'
import { digits, type Field, type JsonSchema, text } from './field.js'

const LIMIT_MAX = 1000
const LIMIT_DEFAULT = 100
/** Names looked at before the broker gets a turn. Keeps a list from delaying messages. */
const NAMES_PER_TURN = 10_000
/** Bytes of a page beyond its last entry. Stops long names from making a list that fills the memory. */
const PAGE_BYTES_MAX: number = 8 * 1024 * 1024
/** Characters of the longest name that a list is sorted by: a topic. */
const NAME_LENGTH_MAX = 65_535

/** Parameters of a list. */
export const LISTING_QUERY: { readonly after: Field<string>; readonly limit: Field<number> } = {
  after: text(NAME_LENGTH_MAX, 'Begins after this place: `next` of the page before.'),
  limit: digits(1, LIMIT_MAX, 'Entries of a page.', LIMIT_DEFAULT),
}

/** Entries when the request does not say. */
export const LISTING_LIMIT_DEFAULT: number = LIMIT_DEFAULT

/** A page of a list. */
export interface ListingPage<Entry> {
  readonly items: readonly Entry[]
  /** Pass it as `after`; missing when this page reached the end. */
  readonly next?: string
}

/** Schema of a page of such entries. */
export function listingSchema(entry: JsonSchema): JsonSchema {
  return {
    type: 'object',
    properties: {
      items: { type: 'array', items: entry },
      next: { type: 'string', description: 'More follows: pass it as `after`. Missing: this page reached the end.' },
    },
    required: ['items'],
    additionalProperties: false,
  }
}

/**
 * A page of the entries that were found: at most `limit`, and of about 8 MiB. There is a next one if entries are left over.
 *
 * @param hold  counts the bytes of the page. @throws GomqError LIMIT_EXCEEDED
 */
export function pageOf<Entry>(
  found: readonly Entry[],
  limit: number,
  placeOf: (entry: Entry) => string,
  hold: (bytes: number) => void,
): ListingPage<Entry> {
  let bytes = 0
  let count = 0
  while (count < found.length && count < limit && bytes < PAGE_BYTES_MAX) bytes += JSON.stringify(found[count++]).length
  hold(bytes)
  if (count === found.length) return { items: found }
  const items = found.slice(0, count)
  return { items, next: placeOf(items.at(-1)!) }
}

/**
 * The `count` smallest of `names` above `after` (undefined: of all), ascending by UTF-16 code unit and once each. Looks at every name, in turns, and keeps
 * no more than twice `count`; names that come and go meanwhile may be missing or not.
 */
export async function smallestAbove(
  names: Iterable<string>,
  after: string | undefined,
  count: number,
): Promise<string[]> {
  const kept = new Set<string>()
  let bound: string | undefined
  let looked = 0
  for (const name of names) {
    if (++looked % NAMES_PER_TURN === 0) await setImmediate()
    if ((after !== undefined && name <= after) || (bound !== undefined && name >= bound)) continue
    kept.add(name)
    if (kept.size < 2 * count) continue
    bound = cut(kept, count).at(-1)
  }
  return cut(kept, count)
}

/** Leaves the smallest in the set and returns them in order. */
function cut(names: Set<string>, count: number): string[] {
  const sorted = [...names].sort(byCodeUnit)
  for (const name of sorted.slice(count)) names.delete(name)
  return sorted.slice(0, count)
}

/** Ascending by UTF-16 code unit. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
