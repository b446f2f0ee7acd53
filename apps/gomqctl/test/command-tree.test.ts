import { expect, test } from 'vitest'
import { commandNamed, descendantsOf, pathOf } from '../src/command-tree.js'
import { buildProgram } from '../src/program.js'

const program = buildProgram()

test('commands of commands are found at every level', () => {
  const paths = descendantsOf(program).map(pathOf)
  expect(paths).toEqual(expect.arrayContaining(['pub', 'context', 'context add', 'context remove']))
  expect(new Set(paths).size).toBe(paths.length)
  expect(pathOf(program)).toBe('')
})

test('a command is known by its name and its alias', () => {
  expect(commandNamed(program, 'publish')?.name()).toBe('pub')
  expect(commandNamed(program, 'pub')?.name()).toBe('pub')
  expect(commandNamed(program, 'add')).toBeUndefined()
})
