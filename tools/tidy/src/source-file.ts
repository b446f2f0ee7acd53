import { posix } from 'node:path'
import { mask } from './mask.js'

/** One `import` or `export ... from`, or a dynamic import. */
export interface Import {
  /** What stands between the quotes. */
  readonly specifier: string
  readonly line: number
  /** Nothing of it is left when types are erased. */
  readonly isType: boolean
  /** `export ... from`. */
  readonly isReexport: boolean
}

/** A source file, read once for all rules. */
export interface SourceFile {
  /** Path from the root of the repository, with `/`. */
  readonly path: string
  /** Folder of the package it belongs to, such as `packages/protocol`; `tools/tidy` and the like for what is not published. */
  readonly home: string
  /** Path within `home`. */
  readonly inner: string
  readonly text: string
  readonly code: string
  readonly comments: string
  readonly lines: number
  readonly imports: readonly Import[]
}

const STATIC_IMPORT = /\b(import|export)\s+(type\s+)?(?:([\w$*{}\s,]*?)\s*\bfrom\s*)?(?=['"])|\bimport\s*\(\s*(?=['"])/g

/** Reads what the rules need out of a text. */
export function sourceFile(path: string, text: string): SourceFile {
  const { code, comments } = mask(text)
  const depth = /^(packages|apps|tools)\//.test(path) ? 2 : 1
  const home = path.split('/').slice(0, depth).join('/')
  return {
    path,
    home,
    inner: path.slice(home.length + 1),
    text,
    code,
    comments,
    lines: text.split('\n').length - (text === '' || text.endsWith('\n') ? 1 : 0),
    imports: importsOf(text, code),
  }
}

/** Line of a position, from 1. */
export function lineAt(text: string, position: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i !== -1 && i < position; i = text.indexOf('\n', i + 1)) line++
  return line
}

/** The path that a relative import means, if `paths` has it: `./a.js` is `a.ts` beside it. */
export function resolveImport(
  from: SourceFile,
  specifier: string,
  paths: ReadonlyMap<string, SourceFile>,
): SourceFile | undefined {
  if (!specifier.startsWith('.')) return undefined
  const target = posix.join(posix.dirname(from.path), specifier)
  return paths.get(target.replace(/\.js$/, '.ts')) ?? paths.get(target)
}

function importsOf(text: string, code: string): Import[] {
  const imports: Import[] = []
  for (const match of code.matchAll(STATIC_IMPORT)) {
    const quoteAt = match.index + match[0].length
    const close = text.indexOf(text[quoteAt]!, quoteAt + 1)
    const names = match[3]
      ?.match(/^\{([^}]*)\}$/)?.[1]
      ?.split(',')
      .filter((name) => name.trim() !== '')
    imports.push({
      specifier: text.slice(quoteAt + 1, close),
      line: lineAt(text, match.index),
      isType: match[2] !== undefined || (names?.every((name) => /^\s*type\s/.test(name)) ?? false),
      isReexport: match[1] === 'export',
    })
  }
  return imports
}
