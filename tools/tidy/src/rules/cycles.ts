import { resolveImport, type SourceFile } from '../source-file.js'
import type { Rule, Violation } from '../violation.js'

/** No file imports itself over others, types included: what knows each other is one thing or hides a third. */
export const cycles: Rule = (tree) => {
  const violations: Violation[] = []
  const done = new Set<SourceFile>()
  const path: SourceFile[] = []
  const visit = (file: SourceFile): void => {
    const since = path.indexOf(file)
    if (since !== -1) {
      const cycle = [...path.slice(since), file].map((member) => member.inner)
      violations.push({
        path: file.path,
        line: 0,
        message: `import cycle ${cycle.join(' -> ')}; move what both need into a file of its own`,
      })
      return
    }
    if (done.has(file)) return
    path.push(file)
    for (const { specifier } of file.imports) {
      const target = resolveImport(file, specifier, tree)
      if (target !== undefined) visit(target)
    }
    path.pop()
    done.add(file)
  }
  for (const file of tree.values()) visit(file)
  return violations
}
