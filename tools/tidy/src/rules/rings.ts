import { isPure, isShipped, mayUseNode } from '../layout.js'
import { resolveImport, type SourceFile } from '../source-file.js'
import { findInCode, type Rule, type Violation } from '../violation.js'

const IMPURE =
  /\bDate\s*\.\s*now\b|\bnew\s+Date\s*(?:\(\s*\)|(?![\w(\s]))|\bMath\s*\.\s*random\b|\b(?:performance|globalThis)\b|\b(?:setTimeout|setInterval|setImmediate|queueMicrotask|fetch)\b|\b(?:async|await|Promise)\b|(?<![.\w])console\b/g

const NODE_GLOBALS = /\b(?:Buffer|NodeJS)\b(?!\s*\??:)|(?<![.\w])process\s*\./g

/**
 * Pure code has no clock, no chance and no IO, and neither has what it imports; only code for Node says `node:*`, `Buffer` and
 * `process`.
 */
export const rings: Rule = (tree) => {
  const violations: Violation[] = []
  for (const file of pureFiles(tree)) {
    violations.push(
      ...findInCode(
        file,
        IMPURE,
        (found) => `'${found}' in pure code; take time and chance as arguments and leave IO to a driver`,
      ),
    )
  }
  for (const file of tree.values()) {
    if (mayUseNode(file)) continue
    for (const { specifier, line } of file.imports) {
      if (!specifier.startsWith('node:')) continue
      violations.push({
        path: file.path,
        line,
        message: `'${specifier}' outside src/node; put it behind an interface of ours`,
      })
    }
    if (isShipped(file)) {
      violations.push(
        ...findInCode(file, NODE_GLOBALS, (found) => `'${found}' outside src/node; use Uint8Array and arguments`),
      )
    }
  }
  return violations
}

/** The pure ring and all that it pulls in at run time. */
function pureFiles(tree: ReadonlyMap<string, SourceFile>): Set<SourceFile> {
  const pure = new Set<SourceFile>()
  const waiting = [...tree.values()].filter(isPure)
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (pure.has(file)) continue
    pure.add(file)
    for (const { specifier, isType } of file.imports) {
      const target = isType ? undefined : resolveImport(file, specifier, tree)
      if (target !== undefined) waiting.push(target)
    }
  }
  return pure
}
