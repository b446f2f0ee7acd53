/**
 * A set of offsets as sorted half-open ranges. Adding at the end, as deliveries and acknowledgements mostly do, costs no search.
 *
 *     add(3, 5), add(5, 6), add(9, 10)  ->  [3, 6, 9, 10]
 */
export class OffsetRanges {
  /** Flat pairs: from (inclusive), to (exclusive); neither touching nor overlapping. */
  #flat: number[] = []

  /** Whether no offset is in the set. */
  get isEmpty(): boolean {
    return this.#flat.length === 0
  }

  /** Number of ranges. */
  get rangeCount(): number {
    return this.#flat.length / 2
  }

  /** A copy of the flat pairs, in order. */
  toFlat(): number[] {
    return this.#flat.slice()
  }

  has(offset: number): boolean {
    const at = this.#search(offset)
    return at < this.#flat.length && this.#flat[at]! <= offset
  }

  /** Adds the offsets from `from` up to, not including, `to`. */
  add(from: number, to: number): void {
    const flat = this.#flat
    const length = flat.length
    if (from >= to) return
    if (length === 0 || from > flat[length - 1]!) {
      flat.push(from, to)
      return
    }
    if (from >= flat[length - 2]!) {
      if (to > flat[length - 1]!) flat[length - 1] = to
      return
    }
    // The first range that ends at or after `from`: it touches or overlaps, or lies behind.
    const first = this.#search(from - 1)
    let last = first
    while (last < flat.length && flat[last]! <= to) last += 2
    const start = last > first ? Math.min(from, flat[first]!) : from
    const end = last > first ? Math.max(to, flat[last - 1]!) : to
    flat.splice(first, last - first, start, end)
  }

  /** Takes out the offsets from `from` up to, not including, `to`. */
  remove(from: number, to: number): void {
    const flat = this.#flat
    if (from >= to) return
    const first = this.#search(from)
    let last = first
    while (last < flat.length && flat[last]! < to) last += 2
    if (last === first) return
    const rest: number[] = []
    if (flat[first]! < from) rest.push(flat[first]!, from)
    if (flat[last - 1]! > to) rest.push(to, flat[last - 1]!)
    flat.splice(first, last - first, ...rest)
  }

  clear(): void {
    this.#flat = []
  }

  /** Index of the first range that ends after `offset`. */
  #search(offset: number): number {
    let low = 0
    let high = this.#flat.length / 2
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#flat[middle * 2 + 1]! > offset) high = middle
      else low = middle + 1
    }
    return low * 2
  }
}
