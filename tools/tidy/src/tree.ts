import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type SourceFile, sourceFile } from './source-file.js'

/** The files that rules look at, by path. */
export type Tree = ReadonlyMap<string, SourceFile>

/** Folders that hold sources of ours. */
const ROOTS = ['packages', 'apps', 'sim', 'bench', 'e2e', 'tools']
const SKIPPED = new Set(['node_modules', 'dist', '.turbo', 'golden', 'results'])

/** Reads every TypeScript file of the repository at `root`. */
export function readTree(root: string): Tree {
  const files = new Map<string, SourceFile>()
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`
      if (entry.isDirectory()) {
        if (!SKIPPED.has(entry.name)) walk(path)
      } else if (entry.name.endsWith('.ts')) files.set(path, sourceFile(path, readFileSync(join(root, path), 'utf8')))
    }
  }
  for (const folder of ROOTS) walk(folder)
  return files
}

/** A tree out of texts, for the tests of the rules. */
export function treeOf(texts: { readonly [path: string]: string }): Tree {
  return new Map(Object.entries(texts).map(([path, text]) => [path, sourceFile(path, text)]))
}
