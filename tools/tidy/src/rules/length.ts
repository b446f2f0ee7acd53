import { LINES_MAX, LONG_FILES } from '../layout.js'
import type { Rule, Violation } from '../violation.js'

/** A file above 400 lines is named with its reason, or split; a name that is no longer needed goes. */
export function length(longFiles: { readonly [path: string]: string } = LONG_FILES): Rule {
  return (tree) => {
    const violations: Violation[] = []
    for (const file of tree.values()) {
      if (file.lines > LINES_MAX && !(file.path in longFiles))
        violations.push({
          path: file.path,
          line: 0,
          message: `${file.lines} lines; split it by role or phase, or name it with its reason in LONG_FILES (at most ${LINES_MAX} without)`,
        })
    }
    for (const path of Object.keys(longFiles)) {
      const lines = tree.get(path)?.lines ?? 0
      if (lines <= LINES_MAX)
        violations.push({
          path,
          line: 0,
          message: `is in LONG_FILES and has ${lines} lines; take it off the list, which may only shrink`,
        })
    }
    return violations
  }
}
