import { ALLOWED_IMPORTS, isDoor, isShipped, mayUseNode } from '../layout.js'
import { resolveImport } from '../source-file.js'
import type { Rule, Violation } from '../violation.js'

const OURS = /^(@gomq\/[\w-]+|gomqctl)(\/.*)?$/

/**
 * Imports go down only: between packages as `ALLOWED_IMPORTS` says and through their doors; within a package from Node to what is
 * portable, never back, and never out of its folder.
 */
export const directions: Rule = (tree) => {
  const violations: Violation[] = []
  for (const file of tree.values()) {
    const allowed = isShipped(file) ? ALLOWED_IMPORTS[file.home]! : undefined
    for (const { specifier, line } of file.imports) {
      const refuse = (message: string) => violations.push({ path: file.path, line, message })
      const [, ours, door = ''] = OURS.exec(specifier) ?? []
      if (ours !== undefined) {
        if (!['', '/node', '/testing'].includes(door))
          refuse(`'${specifier}' reaches into a package; its doors are '.', './node' and './testing'`)
        if (allowed !== undefined && !allowed.includes(ours))
          refuse(`'${specifier}': ${file.home} knows only ${allowed.join(', ') || 'itself'}`)
        if (allowed !== undefined && door === '/node' && !mayUseNode(file))
          refuse(`'${specifier}' outside src/node; take it as an argument`)
        if (allowed !== undefined && door === '/testing' && !isTesting(file.inner))
          refuse(`'${specifier}' in code that is shipped`)
        continue
      }
      const target = resolveImport(file, specifier, tree)
      if (target === undefined) continue
      if (target.home !== file.home && !file.path.startsWith('tools/'))
        refuse(`'${specifier}' leaves ${file.home}; import the other package by its name`)
      if (!isShipped(file)) continue
      if (!target.inner.startsWith('src/')) refuse(`'${specifier}' imports from outside src`)
      if (isDoor(target)) refuse(`'${specifier}' goes through a door of the own package; import the file itself`)
      if (target.inner.startsWith('src/node/') && !mayUseNode(file))
        refuse(`'${specifier}' imports Node code into what is portable`)
      if (isTesting(target.inner) && !isTesting(file.inner))
        refuse(`'${specifier}' imports test code into what is shipped`)
    }
  }
  return violations
}

/** Whether a file is for the tests of others, though it is shipped. */
function isTesting(inner: string): boolean {
  return /^src\/(node\/)?testing\//.test(inner)
}
