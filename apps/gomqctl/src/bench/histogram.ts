/** Values below this are counted exactly; above it a bucket is at most a 1024th of its value wide. */
const LINEAR_MAX = 2048
const HALF: number = LINEAR_MAX / 2
/** Greatest value: 2^32 - 1 microseconds are 71 minutes. */
const VALUE_MAX = 0xffff_ffff
/** Times that the width of a bucket doubles between {@link LINEAR_MAX} and {@link VALUE_MAX}. */
const DOUBLINGS = 21
const BUCKETS: number = LINEAR_MAX + DOUBLINGS * HALF

/**
 * Latencies, counted in buckets whose width grows with the value (Gil Tene's HdrHistogram): every percentile is known to a thousandth of
 * itself, in memory that does not grow with what is counted.
 *
 *     0 1 2 ... 2047 | 2048-2049 2050-2051 ... 4094-4095 | 4096-4099 ...    microseconds
 */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS)
  #count = 0
  #max = 0

  /** How much was recorded. */
  get count(): number {
    return this.#count
  }

  /** The greatest of all, in milliseconds, to the microsecond; 0 if nothing was recorded. */
  get maxMs(): number {
    return this.#max / 1000
  }

  /** Counts one latency. What is below zero counts as zero, what is above 71 minutes as that. */
  record(latencyMs: number): void {
    const value = Math.min(VALUE_MAX, Math.max(0, Math.round(latencyMs * 1000)))
    this.#counts[bucketOf(value)]!++
    this.#count++
    if (value > this.#max) this.#max = value
  }

  /** Counts all that another one has counted, too. */
  add(other: Histogram): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.#counts[bucket]! += other.#counts[bucket]!
    this.#count += other.#count
    this.#max = Math.max(this.#max, other.#max)
  }

  /**
   * Milliseconds that so many percent of all latencies do not exceed: of the latency at that rank, rounded up by less than a thousandth. 0 if
   * nothing was recorded.
   *
   * @param percent  above 0, up to 100
   */
  percentileMs(percent: number): number {
    // Decimal percentages are no binary ones: 99.9 % of 1000 is 999, not 999.0000000000001.
    const rank = Math.max(1, Math.ceil((percent / 100) * this.#count - 1e-6))
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!
      if (seen >= rank) return Math.min(greatestOf(bucket), this.#max) / 1000
    }
    return 0
  }
}

function bucketOf(value: number): number {
  if (value < LINEAR_MAX) return value
  const doublings = 21 - Math.clz32(value)
  return doublings * HALF + (value >>> doublings)
}

/** The greatest value that a bucket holds. */
function greatestOf(bucket: number): number {
  if (bucket < LINEAR_MAX) return bucket
  const doublings = Math.floor(bucket / HALF) - 1
  return (bucket - doublings * HALF + 1) * 2 ** doublings - 1
}
