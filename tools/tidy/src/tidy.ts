import { cycles } from './rules/cycles.js'
import { dependencies } from './rules/dependencies.js'
import { directions } from './rules/directions.js'
import { documented } from './rules/documented.js'
import { doors } from './rules/doors.js'
import { honesty } from './rules/honesty.js'
import { length } from './rules/length.js'
import { mirror } from './rules/mirror.js'
import { names } from './rules/names.js'
import { rings } from './rules/rings.js'
import type { Rule, Violation } from './violation.js'

/** All rules by name. */
export const RULES: { readonly [name: string]: Rule } = {
  rings,
  directions,
  cycles,
  doors,
  dependencies,
  names,
  length: length(),
  honesty,
  documented,
  mirror,
}

/** One line for a person and for an editor. */
export function format({ path, line, message }: Violation): string {
  return line === 0 ? `${path}: ${message}` : `${path}:${line}: ${message}`
}
