import { describe, expect, test } from 'vitest'
import { length } from '../../src/rules/length.js'
import { RULES } from '../../src/tidy.js'
import { treeOf } from '../../src/tree.js'

const found = (rule: string, texts: { readonly [path: string]: string }) =>
  RULES[rule]!(treeOf(texts)).map(({ path, line }) => `${path}:${line}`)

/** Each row: the rule, what is planted, where, and whether the rule must find it. */
const CASES: [rule: string, isFound: boolean, path: string, text: string][] = [
  // A clock, chance, timers, promises and the machine in pure code.
  ...[
    'Date.now()',
    'new Date()',
    'Math.random()',
    'performance.now()',
    'setTimeout(f, 1)',
    'setInterval(f, 1)',
    'setImmediate(f)',
    'queueMicrotask(f)',
    'async function f() {}',
    'await f()',
    'let p: Promise<void>',
    'globalThis.x',
    'console.log(1)',
    'fetch(url)',
  ].flatMap((text): [string, boolean, string, string][] => [
    ['rings', true, 'packages/protocol/src/batch/x.ts', text],
    ['rings', true, 'packages/engine/src/x.ts', text],
    ['rings', true, 'packages/client/src/session/x.ts', text],
    ['rings', true, 'packages/storage/src/format/x.ts', text],
    ['rings', true, 'packages/storage/src/policy/x.ts', text],
    ['rings', false, 'packages/protocol/src/node/x.ts', text],
    ['rings', false, 'packages/storage/src/x.ts', text],
    ['rings', false, 'packages/engine/test/x.ts', text],
    ['rings', false, 'packages/engine/src/x.ts', `// ${text}`],
    ['rings', false, 'packages/engine/src/x.ts', `const words = '${text}'`],
  ]),
  ['rings', false, 'packages/engine/src/x.ts', 'new Date(nowMs); log.process(batch); asyncThing(); promised.await_()'],
  ['rings', true, 'packages/storage/src/x.ts', "import { open } from 'node:fs'"],
  ['rings', true, 'packages/storage/src/x.ts', "import type { Socket } from 'node:net'"],
  ['rings', true, 'packages/storage/src/x.ts', 'Buffer.alloc(1)'],
  ['rings', true, 'apps/broker/src/x.ts', 'process.exit(1)'],
  ['rings', true, 'sim/src/x.ts', "import { open } from 'node:fs'"],
  ['rings', false, 'sim/src/main.ts', "import { open } from 'node:fs'"],
  ['rings', false, 'packages/storage/src/node/x.ts', "import { open } from 'node:fs'; Buffer.alloc(process.pid)"],
  ['rings', false, 'apps/gomqctl/src/x.ts', "import { open } from 'node:fs'; process.exit(1)"],
  ['rings', false, 'e2e/test/x.ts', "import { open } from 'node:fs'"],

  ['directions', true, 'packages/protocol/src/x.ts', "import { Log } from '@gomq/storage'"],
  ['directions', true, 'packages/storage/src/x.ts', "import type { Engine } from '@gomq/engine'"],
  ['directions', true, 'packages/engine/src/x.ts', "import { Log } from '@gomq/storage'"],
  ['directions', true, 'packages/client/src/x.ts', "import { Engine } from '@gomq/engine'"],
  ['directions', true, 'packages/client/src/x.ts', "import { Broker } from '@gomq/broker/testing'"],
  ['directions', true, 'apps/broker/src/x.ts', "import { connect } from '@gomq/client'"],
  ['directions', true, 'apps/gomqctl/src/x.ts', "import { Broker } from '@gomq/broker/testing'"],
  ['directions', true, 'packages/client/src/x.ts', "const x = import('gomqctl')"],
  ['directions', true, 'packages/engine/src/x.ts', "import { crc32 } from '@gomq/protocol/node'"],
  ['directions', true, 'packages/engine/src/x.ts', "import { SeededRandom } from '@gomq/protocol/testing'"],
  ['directions', true, 'packages/engine/test/x.ts', "import { x } from '@gomq/protocol/dist/x.js'"],
  ['directions', true, 'sim/src/x.ts', "import { x } from '@gomq/protocol/src/x.js'"],
  ['directions', false, 'packages/storage/src/node/x.ts', "import { crc32 } from '@gomq/protocol/node'"],
  ['directions', false, 'packages/storage/src/testing/x.ts', "import { SeededRandom } from '@gomq/protocol/testing'"],
  ['directions', false, 'apps/broker/src/x.ts', "import { Engine } from '@gomq/engine'"],
  ['directions', false, 'packages/engine/test/x.ts', "import { Broker } from '@gomq/broker/testing'"],
  ['directions', false, 'sim/src/x.ts', "import { Broker } from '@gomq/broker/testing'"],

  ['doors', true, 'packages/storage/src/x.ts', "export * from './log.js'"],
  ['doors', true, 'packages/storage/src/log/index.ts', 'export const a = 1'],
  ['doors', true, 'packages/storage/src/x.ts', "export type { Log } from './log.js'"],
  ['doors', true, 'sim/src/x.ts', "export { Log } from './log.js'"],
  ['doors', false, 'packages/storage/src/index.ts', "export * from './log.js'"],
  ['doors', false, 'packages/storage/src/node/index.ts', "export * from './log.js'"],
  ['doors', false, 'packages/storage/src/testing/index.ts', "export * from './log.js'"],

  ['names', true, 'packages/storage/src/utils.ts', ''],
  ['names', true, 'packages/storage/src/log-x/helpers.ts', ''],
  ['names', true, 'packages/storage/src/common/log.ts', ''],
  ['names', true, 'packages/storage/test/types.test.ts', ''],
  ['names', true, 'packages/storage/src/log.types.ts', ''],
  ['names', false, 'packages/storage/src/packet-type.ts', ''],

  ['honesty', true, 'packages/storage/test/x.test.ts', "test.only('x', () => {})"],
  ['honesty', true, 'packages/storage/test/x.test.ts', "describe.skip('x', () => {})"],
  ['honesty', true, 'packages/storage/test/x.test.ts', "it.todo('x')"],
  ['honesty', true, 'packages/storage/test/x.test.ts', "test.concurrent.skip('x', () => {})"],
  ['honesty', true, 'packages/storage/test/x.test.ts', "test.skipIf(true)('x', () => {})"],
  ['honesty', true, 'packages/storage/src/x.ts', 'const a: any = 1'],
  ['honesty', true, 'packages/storage/src/x.ts', 'const a = b as any'],
  ['honesty', true, 'packages/storage/src/x.ts', 'const a: Map<string, any> = b'],
  ['honesty', true, 'packages/storage/src/x.ts', 'type A = string | any'],
  ['honesty', true, 'packages/storage/src/x.ts', '// @ts-ignore\nconst a = 1'],
  ['honesty', true, 'packages/storage/src/x.ts', '// @ts-nocheck'],
  ['honesty', true, 'packages/storage/src/x.ts', '/* @ts-expect-error */'],
  [
    'honesty',
    false,
    'packages/storage/src/x.ts',
    '// any of these is fine\nconst any = 1; const company: string = f(any)',
  ],
  ['honesty', false, 'packages/storage/test/x.test.ts', "test('x.only works', () => { log.skip(3) })"],

  ['documented', true, 'packages/storage/src/x.ts', 'export function f(): void {}'],
  ['documented', true, 'packages/storage/src/x.ts', '// reason\nexport const a = 1'],
  ['documented', true, 'packages/storage/src/x.ts', '/** A. */\nexport interface A {}\nexport interface B {}'],
  ['documented', true, 'packages/storage/src/x.ts', 'export abstract class A {}'],
  ['documented', true, 'packages/storage/src/x.ts', 'export async function f() {}'],
  [
    'documented',
    false,
    'packages/storage/src/x.ts',
    '/** F. */\nexport function f(a: string): void\nexport function f(a: number): void\nexport function f(): void {}',
  ],
  ['documented', false, 'packages/storage/src/x.ts', '/** A. */\nexport type A = 1'],
  ['documented', false, 'packages/storage/src/index.ts', "export * from './a.js'"],
  ['documented', false, 'packages/storage/test/x.ts', 'export const a = 1'],
]

describe('planted violations', () => {
  test.each(CASES)('%s: %j for %s with %j', (rule, isFound, path, text) => {
    expect(found(rule, { [path]: text }).length > 0).toBe(isFound)
  })

  test('what pure code imports at run time is pure too, wherever it lies', () => {
    const impure = {
      'packages/storage/src/clock.ts': '\nexport const a = Date.now()',
      'packages/storage/src/b.ts': "import './clock.js'",
    }
    expect(found('rings', { ...impure, 'packages/storage/src/format/x.ts': "import '../b.js'" })).toEqual([
      'packages/storage/src/clock.ts:2',
    ])
    expect(
      found('rings', { ...impure, 'packages/storage/src/format/x.ts': "import type { B } from '../b.js'" }),
    ).toEqual([])
  })

  test('within a package Node code and test code stay out of what is portable', () => {
    const files = {
      'packages/storage/src/node/a.ts': '',
      'packages/storage/src/testing/a.ts': '',
      'packages/storage/src/index.ts': '',
      'packages/engine/src/a.ts': '',
      'packages/storage/test/a.ts': '',
    }
    for (const specifier of ['./node/a.js', './testing/a.js', './index.js', '../../engine/src/a.js', '../test/a.js'])
      expect(
        found('directions', { ...files, 'packages/storage/src/x.ts': `import '${specifier}'` }).length,
        specifier,
      ).toBeGreaterThan(0)
    expect(found('directions', { ...files, 'packages/storage/src/node/x.ts': "import './a.js'" })).toEqual([])
  })

  test('cycles are found, of types too, and named once', () => {
    const cycle = {
      'packages/storage/src/a.ts': "import { b } from './b.js'",
      'packages/storage/src/b.ts': "import type { C } from './c.js'",
      'packages/storage/src/c.ts': "import { a } from './a.js'",
    }
    expect(RULES['cycles']!(treeOf(cycle))).toMatchObject([
      { message: expect.stringContaining('src/a.ts -> src/b.ts -> src/c.ts -> src/a.ts') },
    ])
    expect(found('cycles', { ...cycle, 'packages/storage/src/c.ts': '' })).toEqual([])
    expect(found('cycles', { 'packages/storage/src/a.ts': "import './a.js'" }).length).toBe(1)
  })

  test('a second file that imports a dependency is found; types, tests and frameworks in their folder are not', () => {
    const first = { 'apps/broker/src/node/a.ts': "import { z } from 'zod'\nimport { y } from 'zod'" }
    expect(found('dependencies', first)).toEqual([])
    expect(found('dependencies', { ...first, 'apps/broker/src/node/b.ts': "\nimport z from 'zod/v4'" })).toEqual([
      'apps/broker/src/node/b.ts:2',
    ])
    expect(found('dependencies', { ...first, 'apps/broker/src/node/b.ts': "import type { z } from 'zod'" })).toEqual([])
    expect(found('dependencies', { ...first, 'apps/broker/test/b.ts': "import { z } from 'zod'" })).toEqual([])
    expect(
      found('dependencies', {
        'apps/broker/src/node/http/a.ts': "import 'fastify'",
        'apps/broker/src/node/http/b.ts': "import '@fastify/static'\nimport 'fastify'",
      }),
    ).toEqual([])
    expect(
      found('dependencies', {
        'apps/broker/src/node/a.ts': "import 'fastify'",
        'apps/broker/src/node/b.ts': "import 'fastify'",
      }),
    ).toHaveLength(1)
  })

  test('a file above 400 lines is found unless it is named, and a name that is not needed is found too', () => {
    const long = { 'packages/storage/src/x.ts': '\n'.repeat(401) }
    const named = { 'packages/storage/src/x.ts': 'one state machine' }
    expect(length({})(treeOf(long))).toHaveLength(1)
    expect(length(named)(treeOf(long))).toEqual([])
    expect(length({})(treeOf({ 'packages/storage/src/x.ts': '\n'.repeat(400) }))).toEqual([])
    expect(length(named)(treeOf({ 'packages/storage/src/x.ts': '\n'.repeat(400) }))).toHaveLength(1)
    expect(length(named)(treeOf({}))).toHaveLength(1)
  })

  test('a test that names neither a source nor a theme is found', () => {
    const sources = { 'packages/storage/src/log.ts': '', 'packages/storage/src/node/lock.ts': '' }
    const testAt = (path: string) => found('mirror', { ...sources, [`packages/storage/test/${path}`]: '' }).length
    for (const path of [
      'log.test.ts',
      'log-recovery.test.ts',
      'node/lock.test.ts',
      'node.test.ts',
      'golden/x.test.ts',
      'support.ts',
    ])
      expect(testAt(path), path).toBe(0)
    for (const path of ['lock.test.ts', 'logs.test.ts', 'node/log.test.ts', 'x.test.ts'])
      expect(testAt(path), path).toBe(1)
    expect(found('mirror', { 'e2e/test/kill-nine.test.ts': '' })).toEqual([])
  })
})
