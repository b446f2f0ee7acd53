import { describe, expect, test } from 'vitest'
import { resolveImport, sourceFile } from '../src/source-file.js'
import { treeOf } from '../src/tree.js'

const importsOf = (text: string) =>
  sourceFile('packages/a/src/b.ts', text).imports.map(({ specifier, line, isType, isReexport }) => [
    specifier,
    line,
    isType,
    isReexport,
  ])

describe('sourceFile', () => {
  test('finds every form of import with its line', () => {
    const text = [
      "import a from 'a'",
      'import * as b from "b"',
      'import {',
      '  c,',
      '  type C,',
      "} from './c.js'",
      "import type { D } from './d.js'",
      "import { type E, type F } from './e.js'",
      "import './side.js'",
      "export * from './g.js'",
      "export type { H } from './h.js'",
      "const i = await import('i')",
      "// import x from 'x'",
      'const text = "import y from \'y\'"',
      'const from = 1; export { from }',
    ].join('\n')
    expect(importsOf(text)).toEqual([
      ['a', 1, false, false],
      ['b', 2, false, false],
      ['./c.js', 3, false, false],
      ['./d.js', 7, true, false],
      ['./e.js', 8, true, false],
      ['./side.js', 9, false, false],
      ['./g.js', 10, false, true],
      ['./h.js', 11, true, true],
      ['i', 12, false, false],
    ])
  })

  test('knows its package and its place in it', () => {
    expect(sourceFile('apps/broker/src/node/x.ts', '')).toMatchObject({
      home: 'apps/broker',
      inner: 'src/node/x.ts',
      lines: 0,
    })
    expect(sourceFile('sim/src/x.ts', 'a\nb\n')).toMatchObject({ home: 'sim', inner: 'src/x.ts', lines: 2 })
  })

  test('a relative import is resolved to the file it means', () => {
    const tree = treeOf({ 'packages/a/src/x/b.ts': '', 'packages/a/src/c.ts': '' })
    expect(resolveImport(tree.get('packages/a/src/x/b.ts')!, '../c.js', tree)?.path).toBe('packages/a/src/c.ts')
    expect(resolveImport(tree.get('packages/a/src/x/b.ts')!, 'c', tree)).toBeUndefined()
  })
})
