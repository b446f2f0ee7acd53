import { isDoor, isShipped } from '../layout.js'
import type { Rule, Violation } from '../violation.js'

/** Only a package's doors re-export; there are no barrels inside, so that an import names the file that it needs. */
export const doors: Rule = (tree) => {
  const violations: Violation[] = []
  for (const file of tree.values()) {
    if (isShipped(file) && isDoor(file)) continue
    for (const { isReexport, line, specifier } of file.imports) {
      if (isReexport)
        violations.push({
          path: file.path,
          line,
          message: `re-exports '${specifier}'; only src/index.ts, src/node/index.ts and src/testing/index.ts do`,
        })
    }
    if (/(^|\/)index\.ts$/.test(file.path))
      violations.push({
        path: file.path,
        line: 0,
        message: 'an index.ts that is no door; give the file the name of its one noun',
      })
  }
  return violations
}
