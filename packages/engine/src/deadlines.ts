/** Something that is due at a time. */
interface Entry<T> {
  readonly atMs: number
  readonly value: T
}

/**
 * What is due when: a binary heap. Nothing is ever taken out before its time; who puts a thing in looks, when it comes out, whether it
 * still matters.
 */
export class Deadlines<T> {
  readonly #heap: Entry<T>[] = []

  get count(): number {
    return this.#heap.length
  }

  /** When the next thing is due; undefined if nothing is. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.atMs
  }

  add(atMs: number, value: T): void {
    const heap = this.#heap
    const entry = { atMs, value }
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]!.atMs <= atMs) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  /** Takes out one thing that is due at `nowMs`, the earliest; undefined if none is. */
  takeDue(nowMs: number): T | undefined {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined || first.atMs > nowMs) return undefined
    const last = heap.pop()!
    if (heap.length > 0) this.#sink(last)
    return first.value
  }

  #sink(entry: Entry<T>): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.atMs < heap[child]!.atMs) child++
      if (heap[child]!.atMs >= entry.atMs) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = entry
  }
}
