import { getHeapStatistics, setFlagsFromString } from 'node:v8'

/** Bytes by which the old generation may grow between two collections: 64 MiB. */
const GROWTH_BYTES: number = 64 * 1024 * 1024
/** The growth that is asked for at most, in percent of what is used. */
const GROWTH_PERCENT_MAX = 1000
/** Below this V8 knows better: it grows a heap by a fifth to three times. */
const GROWTH_PERCENT_MIN = 100
/** Between two looks at the heap. */
const LOOK_EVERY_MS = 1_000

/**
 * Fits the collector to a broker that serves. Call once, when recovery is over: there nearly everything lives.
 *
 * - The young generation is collected by the main thread alone. Little lives through a collection (some 100 KB), which takes one thread less than
 *   a millisecond; helpers would have to be waited for, and where processors are busy one that has begun may not run for many milliseconds.
 * - A small heap may grow by {@link GROWTH_BYTES} before all of it is marked. V8 counts the memory of buffers that lived through two young collections, as
 *   the newest batches do, and lets a heap of 8 MB grow by some 20: at 170 MB/s it was marked 13 times a second. Reading stored messages of 100 bytes took the
 *   broker 0.70 us each and takes 0.35, publishing 1 KiB took 4.2 and takes 2.7 (docs/decisions/0029).
 */
export function fitCollector(): void {
  setFlagsFromString('--no-parallel-scavenge')
  letGrow()
  setInterval(letGrow, LOOK_EVERY_MS).unref()
}

function letGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${growthPercent(getHeapStatistics().used_heap_size)}`)
}

/** By how much a heap of so many bytes may grow, in percent; 0: as V8 has it. */
export function growthPercent(usedBytes: number): number {
  const percent = Math.floor((100 * GROWTH_BYTES) / usedBytes)
  return percent < GROWTH_PERCENT_MIN ? 0 : Math.min(percent, GROWTH_PERCENT_MAX)
}
