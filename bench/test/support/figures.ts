import type { Comparison } from '../../src/compare.js'
import type { Figure } from '../../src/figure.js'

/** One of each role, and a second peer. */
export const SYSTEMS = [
  { name: 'floor', role: 'floor' },
  { name: 'gomq', role: 'gomq' },
  { name: 'slow', role: 'peer' },
  { name: 'fast', role: 'peer' },
] as const

/** What a system did in the workload `publish`. */
export function figureOf(system: string, ratePerSec: number, more: Partial<Figure> = {}): Figure {
  return {
    workload: 'publish',
    system,
    durability: 'none',
    messages: 1000,
    messageBytes: 100,
    ratePerSec,
    ratesPerSec: [ratePerSec],
    clientCpuUs: 1,
    serverCpuUs: 2,
    serverRssMiB: 3,
    serverRssGrowthMiB: 0,
    lost: 0,
    duplicated: 0,
    ...more,
  }
}

/** A comparison of these. */
export function comparisonOf(
  by: Comparison['by'],
  figures: readonly Figure[],
  gaps: Comparison['gaps'] = [],
): Comparison {
  return { workload: 'publish', about: 'it publishes', by, messageBytes: 100, figures, gaps, profiles: [] }
}
