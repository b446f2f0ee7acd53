/** What latencies look like; times in microseconds. */
export interface LatencySummary {
  readonly count: number
  readonly p50Us: number
  readonly p99Us: number
  /** Undefined where too few samples lie beyond, or the tool that measured does not say. */
  readonly p999Us: number | undefined
  readonly p9999Us: number | undefined
  readonly maxUs: number
  /** Points of the distribution, to draw it: share of the samples, and the latency that they do not exceed. */
  readonly curve: readonly (readonly [share: number, us: number])[]
}

/** Samples beyond a percentile, below which it is chance. */
const BEYOND_MIN = 5
/** Points of a curve for each factor of ten in the rest above it: 0 to 0.9, 0.9 to 0.99, and so on to 0.9999. */
const POINTS_PER_DECADE = 9
const DECADES = 4

/** The value below which `fraction` of the samples lie (nearest rank); 0 without samples. */
export function percentile(samples: ArrayLike<number>, fraction: number): number {
  return percentileOfSorted(Float64Array.from(samples).sort(), fraction)
}

/** The middle of the samples. */
export function median(samples: ArrayLike<number>): number {
  return percentile(samples, 0.5)
}

/** @param latenciesUs  in any order */
export function summarize(latenciesUs: ArrayLike<number>): LatencySummary {
  const sorted = Float64Array.from(latenciesUs).sort()
  const at = (share: number) => Math.round(percentileOfSorted(sorted, share))
  const tailAt = (share: number) => (isTold(share, sorted.length) ? at(share) : undefined)
  const shares = Array.from({ length: DECADES * POINTS_PER_DECADE + 1 }, (_, i) => 1 - 10 ** (-i / POINTS_PER_DECADE))
  return {
    count: sorted.length,
    p50Us: at(0.5),
    p99Us: at(0.99),
    p999Us: tailAt(0.999),
    p9999Us: tailAt(0.9999),
    maxUs: at(1),
    curve: shares.map((share) => [Number(share.toPrecision(6)), at(share)] as const),
  }
}

/** Whether so many samples say something about the share: at least five lie beyond it. */
export function isTold(share: number, samples: number): boolean {
  return Math.round(1e6 * (1 - share) * samples) / 1e6 >= BEYOND_MIN
}

function percentileOfSorted(sorted: Float64Array, fraction: number): number {
  if (sorted.length === 0) return 0
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)]!
}
