import { filtersOverlap } from '@gomq/protocol'

/** What a durable subscription has not acknowledged for good. */
export interface AckedPlace {
  readonly filters: readonly string[]
  readonly position: number
  /** Half-open ranges below the position. */
  readonly unacked: readonly number[]
}

/**
 * For each of some filters, up to where every durable subscription that overlaps it has acknowledged: the lowest of their positions and of
 * what they have not acknowledged below. Filters that none overlaps are left out: nobody has acknowledged anything there.
 *
 * A filter is compared with each different filter of subscriptions, lowest place first, and so mostly with few of them.
 */
export function ackedFloors(filters: readonly string[], places: Iterable<AckedPlace>): Map<string, number> {
  const lowest = new Map<string, number>()
  for (const { filters: subscribed, position, unacked } of places) {
    const place = Math.min(position, unacked[0] ?? position)
    for (const filter of subscribed) {
      const known = lowest.get(filter)
      if (known === undefined || place < known) lowest.set(filter, place)
    }
  }
  const ascending = [...lowest].sort(([, a], [, b]) => a - b)
  const floors = new Map<string, number>()
  for (const filter of filters) {
    const first = ascending.find(([subscribed]) => filtersOverlap(subscribed, filter))
    if (first !== undefined) floors.set(filter, first[1])
  }
  return floors
}
