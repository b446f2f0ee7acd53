import type { Offset, OffsetRanges } from '@gomq/protocol'
import type { RetainedMessages } from './retained-messages.js'

/** Offsets that are sorted at once. */
const RUN_OFFSETS = 4096

/** What a search looks for. */
export interface RetainedWanted {
  /** Valid topic filters. */
  readonly filters: readonly string[]
  /** Only messages in [from, before). */
  readonly from: Offset
  readonly before: Offset
  /** Messages that are found at most: the oldest ones. */
  readonly max: number
}

/**
 * Looks for the retained messages that a new subscription gets first [MQTT-3.3.1-6, MQTT-4.7.2-1], a bounded number of steps at a time: with
 * a million topics the whole look would stop everybody else. It keeps twice as many offsets as it may find, and no more.
 *
 * What is retained may change between two calls. A message that takes another's place meanwhile stands at `before` or above, which the
 * subscription reads from there; the one that was found in its place is passed over when its turn comes.
 */
export class RetainedSearch {
  readonly #work: Iterator<void, Offset>
  #foundTo: Offset

  /** @param found  gets what is found; nobody else changes it meanwhile */
  constructor(retained: RetainedMessages, wanted: RetainedWanted, found: OffsetRanges) {
    this.#work = search(retained, wanted, found)
    this.#foundTo = wanted.from
  }

  /** What lies below and is wanted has been found; `before`: everything. Once {@link run} has said that it is over. */
  get foundTo(): Offset {
    return this.#foundTo
  }

  /** Goes on for up to `steps` nodes or offsets. @returns whether the search is over */
  run(steps: number): boolean {
    for (let i = 0; i < steps; i++) {
      const { done, value } = this.#work.next()
      if (!done) continue
      this.#foundTo = value
      return true
    }
    return false
  }
}

function* search(
  retained: RetainedMessages,
  { filters, from, before, max }: RetainedWanted,
  found: OffsetRanges,
): Generator<void, Offset> {
  let runs: Float64Array[] = []
  let held = 0
  let run = new Float64Array(RUN_OFFSETS)
  let count = 0
  /** From here on there are more than may be found. */
  let end = before
  for (const filter of filters) {
    for (const offset of retained.visit(filter)) {
      if (offset !== undefined && offset >= from && offset < end) run[count++] = offset
      if (count === RUN_OFFSETS) {
        runs.push(run.sort())
        held += count
        run = new Float64Array(RUN_OFFSETS)
        count = 0
      }
      if (held >= 2 * max) {
        const kept = new Float64Array(max)
        held = 0
        end = (yield* smallest(runs, max, (offset) => (kept[held++] = offset))) ?? end
        runs = [kept.subarray(0, held)]
      }
      yield
    }
  }
  runs.push(run.subarray(0, count).sort())
  return (yield* smallest(runs, max, (offset) => found.add(offset, offset + 1))) ?? end
}

/**
 * Takes the smallest numbers of ascending runs, ascending, each once: one that several filters found comes several times.
 * @returns the next one, if there are more than `max`
 */
function* smallest(
  runs: readonly Float64Array[],
  max: number,
  take: (offset: number) => void,
): Generator<void, Offset | undefined> {
  let last = -1
  let count = 0
  for (const offset of merged(runs)) {
    if (offset !== last) {
      if (count++ === max) return offset as Offset
      take(offset)
      last = offset
    }
    yield
  }
  return undefined
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
