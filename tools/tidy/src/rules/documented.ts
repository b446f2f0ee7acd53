import { isDoor, isShipped } from '../layout.js'
import { lineAt } from '../source-file.js'
import type { Rule, Violation } from '../violation.js'

const EXPORT =
  /^export\s+(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(function\*?|class|interface|type|const|let|enum)\s+([\w$]+)/gm

/** Every exported thing says what it does, in a doc comment right above it. Overloads share the first one's. */
export const documented: Rule = (tree) => {
  const violations: Violation[] = []
  for (const file of tree.values()) {
    if (!isShipped(file) || isDoor(file)) continue
    const seen = new Set<string>()
    for (const match of file.code.matchAll(EXPORT)) {
      const name = match[2]!
      const above = file.text.slice(0, match.index).trimEnd()
      const isOverload = seen.has(name)
      seen.add(name)
      if (!above.endsWith('*/') && !isOverload)
        violations.push({
          path: file.path,
          line: lineAt(file.text, match.index),
          message: `'${name}' has no doc comment; say what it does, its units and ranges, and what it throws`,
        })
    }
  }
  return violations
}
