import type { Offset } from './numbers.js'

/**
 * A set of offsets as ascending, disjoint, half-open ranges that do not touch. Adding at the end and removing at the front, the usual
 * case, cost no more than a look at that end.
 */
export class OffsetRanges {
  /** from, to, from, to, ... from {@link #first} on. */
  #bounds: number[] = []
  #first = 0

  /** Number of ranges. */
  get count(): number {
    return (this.#bounds.length - this.#first) / 2
  }

  get isEmpty(): boolean {
    return this.#bounds.length === this.#first
  }

  /** The smallest offset in the set, or undefined. */
  get min(): Offset | undefined {
    return this.isEmpty ? undefined : (this.#bounds[this.#first] as Offset)
  }

  /** The ranges as a flat array. */
  toArray(): number[] {
    return this.#bounds.slice(this.#first)
  }

  clear(): void {
    this.#bounds = []
    this.#first = 0
  }

  /** Adds [from, to); what is there already stays. */
  add(from: number, to: number): void {
    if (from >= to) return
    const bounds = this.#bounds
    const last = bounds.length - 1
    if (this.isEmpty || from > bounds[last]!) {
      bounds.push(from, to)
      return
    }
    if (from >= bounds[last - 1]!) {
      if (to > bounds[last]!) bounds[last] = to
      return
    }
    this.#compact()
    const begin = this.#firstEndingAtOrAfter(from)
    let end = begin
    let mergedFrom = from
    let mergedTo = to
    while (end < this.#bounds.length && this.#bounds[end]! <= to) {
      mergedFrom = Math.min(mergedFrom, this.#bounds[end]!)
      mergedTo = Math.max(mergedTo, this.#bounds[end + 1]!)
      end += 2
    }
    this.#bounds.splice(begin, end - begin, mergedFrom, mergedTo)
  }

  /** Removes [from, to) and returns how many offsets were in the set. */
  remove(from: number, to: number): number {
    if (this.isEmpty || from >= to) return 0
    const bounds = this.#bounds
    if (from <= bounds[this.#first]! && to < bounds[this.#first + 1]!) {
      if (to <= bounds[this.#first]!) return 0
      const removed = to - bounds[this.#first]!
      bounds[this.#first] = to
      return removed
    }
    if (from <= bounds[this.#first]! && (this.count === 1 || to <= bounds[this.#first + 2]!)) {
      const removed = bounds[this.#first + 1]! - bounds[this.#first]!
      this.#first += 2
      // Half of it gone at least, so that removing a million ranges one by one copies each a few times only.
      if (this.isEmpty || (this.#first > 1024 && 2 * this.#first > bounds.length)) this.#compact()
      return removed
    }
    this.#compact()
    let removed = 0
    let at = this.#firstEndingAtOrAfter(from + 1)
    while (at < this.#bounds.length && this.#bounds[at]! < to) {
      const start = this.#bounds[at]!
      const end = this.#bounds[at + 1]!
      const cutFrom = Math.max(start, from)
      const cutTo = Math.min(end, to)
      removed += cutTo - cutFrom
      const kept: number[] = []
      if (start < cutFrom) kept.push(start, cutFrom)
      if (cutTo < end) kept.push(cutTo, end)
      this.#bounds.splice(at, 2, ...kept)
      if (start < cutFrom) at += 2
      if (cutTo < end) break
    }
    return removed
  }

  /** Whether `offset` is in the set. */
  has(offset: number): boolean {
    const at = this.#firstEndingAtOrAfter(offset + 1)
    return at < this.#bounds.length && this.#bounds[at]! <= offset
  }

  /** The smallest offset in the set that is `offset` or more, or undefined. */
  firstFrom(offset: number): Offset | undefined {
    const start = this.#bounds[this.#firstEndingAtOrAfter(offset + 1)]
    return start === undefined ? undefined : (Math.max(start, offset) as Offset)
  }

  /** Ranges of [from, to) that are in the set, as a flat array. */
  within(from: number, to: number): number[] {
    const within: number[] = []
    for (let i = this.#firstEndingAtOrAfter(from + 1); i < this.#bounds.length && this.#bounds[i]! < to; i += 2)
      within.push(Math.max(from, this.#bounds[i]!), Math.min(to, this.#bounds[i + 1]!))
    return within
  }

  /** Ranges of [from, to) that are not in the set, as a flat array. */
  gaps(from: number, to: number): number[] {
    const gaps: number[] = []
    let at = from
    for (let i = this.#firstEndingAtOrAfter(from + 1); i < this.#bounds.length && this.#bounds[i]! < to; i += 2) {
      if (this.#bounds[i]! > at) gaps.push(at, this.#bounds[i]!)
      at = Math.max(at, this.#bounds[i + 1]!)
    }
    if (at < to) gaps.push(at, to)
    return gaps
  }

  /** Position of the first range whose end is at or after `offset`. */
  #firstEndingAtOrAfter(offset: number): number {
    let low = this.#first
    let high = this.#bounds.length
    while (low < high) {
      const middle = low + (((high - low) >> 2) << 1)
      if (this.#bounds[middle + 1]! < offset) low = middle + 2
      else high = middle
    }
    return low
  }

  #compact(): void {
    if (this.#first === 0) return
    this.#bounds = this.#bounds.slice(this.#first)
    this.#first = 0
  }
}
