import type { Comparison } from '../compare.js'
import type { Machine } from '../machine.js'
import type { Options } from '../options.js'
import type { Row } from '../state/state-context.js'
import type { System } from '../systems/system.js'

/** All that a run found, for machines: what `--json` writes. */
export interface Results {
  readonly machine: Machine
  readonly options: { readonly runs: number; readonly messages: number; readonly seconds: number }
  readonly systems: readonly MeasuredSystem[]
  readonly comparisons: readonly Comparison[]
  /** Tables of the workloads about what the broker keeps. */
  readonly tables: Readonly<Record<string, readonly Row[]>>
}

/** A system as it was measured. */
export interface MeasuredSystem extends Pick<System, 'name' | 'role' | 'durability' | 'setup'> {
  readonly version: string
  /** Why it was not measured. */
  readonly missing?: string
}

/** Gathers them. */
export function toResults(run: {
  readonly machine: Machine
  readonly options: Options
  readonly systems: readonly System[]
  readonly missing: ReadonlyMap<string, string>
  readonly comparisons: readonly Comparison[]
  readonly tables: Results['tables']
}): Results {
  const { runs, messages, seconds } = run.options
  return {
    machine: run.machine,
    options: { runs, messages, seconds },
    systems: run.systems.map((system) => {
      const { name, role, durability, setup } = system
      const reason = run.missing.get(name)
      const version = reason === undefined ? system.version() : ''
      return { name, role, durability, setup, version, ...(reason !== undefined && { missing: reason }) }
    }),
    comparisons: run.comparisons,
    tables: run.tables,
  }
}
