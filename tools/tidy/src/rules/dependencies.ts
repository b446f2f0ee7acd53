import { isShipped, SHARED_DEPENDENCIES } from '../layout.js'
import type { SourceFile } from '../source-file.js'
import type { Rule, Violation } from '../violation.js'

/** A dependency is imported by one file of a package (types: by its Node code), so that one file has to change to replace it. */
export const dependencies: Rule = (tree) => {
  const violations: Violation[] = []
  const firstImporter = new Map<string, SourceFile>()
  for (const file of tree.values()) {
    if (!isShipped(file)) continue
    for (const { specifier, line, isType } of file.imports) {
      if (/^(\.|node:|@gomq\/|gomqctl$)/.test(specifier)) continue
      const name = specifier.match(/^(@[^/]+\/)?[^/]+/)?.[0] ?? specifier
      const family = name.replace(/^@([^/]+)\/.*$/, '$1')
      const shared = SHARED_DEPENDENCIES[name] ?? SHARED_DEPENDENCIES[family]
      if (shared?.test(file.path) || isType) continue
      const key = `${file.home} ${name}`
      const first = firstImporter.get(key)
      if (first === undefined) firstImporter.set(key, file)
      else if (first !== file)
        violations.push({
          path: file.path,
          line,
          message: `'${name}' is imported by ${first.path} already; only one file of a package knows a dependency`,
        })
    }
  }
  return violations
}
