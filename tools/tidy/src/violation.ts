import { lineAt, type SourceFile } from './source-file.js'
import type { Tree } from './tree.js'

/** Something in the tree that the house style forbids. */
export interface Violation {
  readonly path: string
  /** From 1; 0 for the file as a whole. */
  readonly line: number
  /** What is wrong, why, and what to do. */
  readonly message: string
}

/** Looks at the whole tree and says what breaks it. */
export type Rule = (tree: Tree) => Violation[]

/** Every place in the code (no comments, no strings) where `pattern`, a global one, matches. */
export function findInCode(file: SourceFile, pattern: RegExp, message: (found: string) => string): Violation[] {
  return [...file.code.matchAll(pattern)].map((match) => ({
    path: file.path,
    line: lineAt(file.code, match.index),
    message: message(match[0].trim()),
  }))
}
