/** Something that is due at a time. */
interface Entry<T> {
  readonly value: T
  readonly atMs: number
}

/**
 * What is due when: a binary heap that knows where each value stands, so that a value is in it once, at the time that was set last.
 * Nothing is ever taken out before its time.
 */
export class Deadlines<T> {
  readonly #heap: Entry<T>[] = []
  readonly #places = new Map<T, number>()

  get count(): number {
    return this.#heap.length
  }

  /** When the next thing is due; undefined if nothing is. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.atMs
  }

  /** The value is due at `atMs`, and at no other time any more. */
  set(value: T, atMs: number): void {
    const place = this.#places.get(value)
    if (place === undefined) this.#settle(this.#heap.length, { value, atMs })
    else this.#settle(place, { value, atMs })
  }

  /** The value is not due any more. If it was not: nothing happens. */
  delete(value: T): void {
    const place = this.#places.get(value)
    if (place === undefined) return
    this.#places.delete(value)
    const last = this.#heap.pop()!
    if (place < this.#heap.length) this.#settle(place, last)
  }

  /** Takes out one thing that is due at `nowMs`, the earliest; undefined if none is. */
  takeDue(nowMs: number): T | undefined {
    const first = this.#heap[0]
    if (first === undefined || first.atMs > nowMs) return undefined
    this.delete(first.value)
    return first.value
  }

  /** Puts an entry where it belongs: from `place`, a hole, up or down. */
  #settle(place: number, entry: Entry<T>): void {
    let at = place
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#heap[parent]!.atMs <= entry.atMs) break
      this.#put(at, this.#heap[parent]!)
      at = parent
    }
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#heap.length) break
      if (child + 1 < this.#heap.length && this.#heap[child + 1]!.atMs < this.#heap[child]!.atMs) child++
      if (this.#heap[child]!.atMs >= entry.atMs) break
      this.#put(at, this.#heap[child]!)
      at = child
    }
    this.#put(at, entry)
  }

  #put(at: number, entry: Entry<T>): void {
    this.#heap[at] = entry
    this.#places.set(entry.value, at)
  }
}
