import type { Plant } from './plant.js'
import { type SimulationOptions, type SimulationResult, simulate } from './simulation.js'

/** What a hunt goes by; `seed` is the first that is tried. */
export type HuntOptions = Omit<SimulationOptions, 'plant' | 'stopsWhenCaught'>

/** The run that caught a planted bug. */
export interface Catch {
  readonly seed: number
  /** What broke first, and when in that run. */
  readonly caught: NonNullable<SimulationResult['caught']>
  /** Steps of the time with faults, and events, over all seeds that were tried. */
  readonly steps: number
  readonly events: number
}

/** Runs one seed after the other with the planted bug until an invariant breaks; undefined if none does in `seeds` of them. */
export async function hunt(plant: Plant, seeds: number, options: HuntOptions): Promise<Catch | undefined> {
  let steps = 0
  let events = 0
  for (let seed = options.seed; seed < options.seed + seeds; seed++) {
    const { caught, counts } = await simulate({ ...options, seed, plant, stopsWhenCaught: true })
    events += counts['events']!
    if (caught !== undefined) return { seed, caught, steps: steps + caught.step, events }
    steps += options.steps
  }
  return undefined
}
