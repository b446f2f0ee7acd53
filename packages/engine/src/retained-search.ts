import type { Offset } from '@gomq/protocol'
import type { RetainedMessages } from './retained-messages.js'

/** Offsets that are sorted at once. */
const RUN_OFFSETS = 4096

/**
 * Looks for the retained messages that a new subscription gets first [MQTT-3.3.1-6, MQTT-4.7.2-1], a bounded number of steps at a time: with
 * a million topics the whole look would stop everybody else.
 *
 * What is retained may change between two calls. A message that takes another's place meanwhile stands at `before` or above, which the
 * subscription reads from there; the one that was found in its place is passed over when its turn comes.
 */
export class RetainedSearch {
  readonly #work: Iterator<void>
  /** Half-open ranges of the offsets, ascending: complete when {@link run} has said so. */
  readonly ranges: number[] = []

  /**
   * @param filters  valid topic filters
   * @param before   only messages below are looked for
   */
  constructor(retained: RetainedMessages, filters: readonly string[], before: Offset) {
    this.#work = search(retained, filters, before, this.ranges)
  }

  /** Goes on for up to `steps` nodes or offsets. @returns whether the search is over */
  run(steps: number): boolean {
    for (let i = 0; i < steps; i++) if (this.#work.next().done) return true
    return false
  }
}

function* search(
  retained: RetainedMessages,
  filters: readonly string[],
  before: Offset,
  ranges: number[],
): Generator<void, void> {
  const runs: Float64Array[] = []
  let run = new Float64Array(RUN_OFFSETS)
  let count = 0
  for (const filter of filters) {
    for (const offset of retained.visit(filter)) {
      if (offset !== undefined && offset < before) run[count++] = offset
      if (count === RUN_OFFSETS) {
        runs.push(run.sort())
        run = new Float64Array(RUN_OFFSETS)
        count = 0
      }
      yield
    }
  }
  runs.push(run.subarray(0, count).sort())
  for (const offset of merged(runs)) {
    // One that several filters found comes several times.
    if (offset === ranges.at(-1)) ranges[ranges.length - 1] = offset + 1
    else if (offset > (ranges.at(-1) ?? -1)) ranges.push(offset, offset + 1)
    yield
  }
}

/** The numbers of ascending runs, ascending: a heap of the runs by their next number. */
function* merged(runs: readonly Float64Array[]): Generator<number, void> {
  const heap = runs.filter((run) => run.length > 0).sort((a, b) => a[0]! - b[0]!)
  const next = heap.map(() => 0)
  while (heap.length > 0) {
    const run = heap[0]!
    yield run[next[0]!]!
    if (++next[0]! === run.length) {
      heap[0] = heap.at(-1)!
      next[0] = next.at(-1)!
      heap.pop()
      next.pop()
    }
    sink(heap, next)
  }
}

/** Moves the first run down to where its next number belongs. */
function sink(heap: Float64Array[], next: number[]): void {
  const keyOf = (i: number) => (i < heap.length ? heap[i]![next[i]!]! : Number.POSITIVE_INFINITY)
  for (let at = 0; ; ) {
    const left = 2 * at + 1
    const child = keyOf(left + 1) < keyOf(left) ? left + 1 : left
    if (keyOf(at) <= keyOf(child)) return
    const run = heap[at]!
    const position = next[at]!
    heap[at] = heap[child]!
    next[at] = next[child]!
    heap[child] = run
    next[child] = position
    at = child
  }
}
