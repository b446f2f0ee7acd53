import type { Figure, Gap, Profile } from './figure.js'
import { median } from './statistics.js'
import type { System } from './systems/system.js'
import type { Workload, WorkloadContext } from './workloads/workload.js'

/** What came of one workload. */
export interface Comparison {
  readonly workload: string
  /** What the figures say. */
  readonly about: string
  /** What is compared. */
  readonly by: Workload['by']
  readonly messageBytes: number
  readonly figures: readonly Figure[]
  readonly gaps: readonly Gap[]
  /** Where the time went, of the systems that were profiled. */
  readonly profiles: readonly ProfiledCase[]
}

/** One case of a workload, profiled. */
export interface ProfiledCase extends Pick<Figure, 'workload' | 'system'> {
  readonly profile: Profile
}

/**
 * Runs a workload on each system in turn, and all of that `runs` times, so that what the machine does meanwhile hits all alike. A system that fails
 * has a gap with the reason; the others go on.
 * @param missing  reasons of systems that cannot be measured here, by name
 */
export async function compare(
  workload: Workload,
  systems: readonly System[],
  missing: ReadonlyMap<string, string>,
  runs: number,
  contextOf: (system: System, run: number) => WorkloadContext,
): Promise<Comparison> {
  const gaps: Gap[] = []
  const figures = new Map<string, Figure[]>()
  const isOut = new Set<string>()
  const leaveOut = (system: System, reason: string) => {
    isOut.add(system.name)
    gaps.push({ workload: workload.name, system: system.name, reason })
  }
  for (const system of systems) {
    const reason = missing.get(system.name) ?? whyNot(workload, system)
    if (reason !== undefined) leaveOut(system, reason)
  }
  let messageBytes = 0
  for (let run = 0; run < Math.min(runs, workload.runsMax ?? runs); run++) {
    for (const system of systems) {
      if (isOut.has(system.name)) continue
      const context = contextOf(system, run)
      messageBytes ||= context.messageBytes
      try {
        for (const figure of await workload.run(system, context)) {
          messageBytes = figure.messageBytes
          const key = `${figure.workload} ${figure.system}`
          figures.set(key, [...(figures.get(key) ?? []), figure])
        }
      } catch (error) {
        leaveOut(system, `failed: ${(error as Error).message.trim().replaceAll(/\s*\n\s*/g, '; ')}`)
      }
    }
  }
  const merged = [...figures.values()].map((each) => middleOf(each, workload.by))
  const { name, about, by } = workload
  return { workload: name, about, by, messageBytes, figures: merged, gaps, profiles: [] }
}

/** One run more of each system, that shows where the time goes; of a system that cannot do the workload, or fails, nothing. */
export async function profile(
  workload: Workload,
  systems: readonly System[],
  contextOf: (system: System) => WorkloadContext,
): Promise<ProfiledCase[]> {
  const cases: ProfiledCase[] = []
  if (workload.by === 'memory') return cases
  for (const system of systems) {
    if (whyNot(workload, system) !== undefined) continue
    const figures = await workload.run(system, contextOf(system)).catch(() => [])
    for (const { workload: name, profile } of figures)
      if (profile !== undefined) cases.push({ workload: name, system: system.name, profile })
  }
  return cases
}

/** The run in the middle, by what the workload compares, with the rates of all and the worst of what was lost. */
export function middleOf(figures: readonly Figure[], by: Workload['by']): Figure {
  const keyOf = (figure: Figure) => comparedOf(figure, by)
  const middle = median(figures.map(keyOf))
  return {
    ...figures.find((figure) => keyOf(figure) === middle)!,
    ratesPerSec: figures.map(({ ratePerSec }) => ratePerSec),
    lost: Math.max(...figures.map(({ lost }) => lost)),
    duplicated: Math.max(...figures.map(({ duplicated }) => duplicated)),
  }
}

/** What a workload compares: a rate, of which more is better, or microseconds or MiB, of which less is. */
export function comparedOf(figure: Figure, by: Workload['by']): number {
  if (by === 'rate') return figure.ratePerSec
  return by === 'p99' ? (figure.latency?.p99Us ?? 0) : (figure.idle?.rssMiB ?? 0)
}

/** The one of which {@link comparedOf} says the best: of rates the highest, of the others the lowest; the first of equals. Undefined for none. */
export function bestOf(figures: readonly Figure[], by: Workload['by']): Figure | undefined {
  const isBetter = (a: Figure, b: Figure) =>
    by === 'rate' ? comparedOf(a, by) > comparedOf(b, by) : comparedOf(a, by) < comparedOf(b, by)
  return figures.reduce<Figure | undefined>(
    (best, each) => (best === undefined || isBetter(each, best) ? each : best),
    undefined,
  )
}

/** Why a system cannot do a workload; undefined: it can. */
function whyNot(workload: Workload, system: System): string | undefined {
  return system.cannot?.[workload.name] ?? workload.cannot?.(system)
}
