import { GomqError } from '@gomq/client'
import { CommanderError } from 'commander'
import { expect, test } from 'vitest'
import { Exit, explain } from '../src/exit.js'

function explained(error: unknown): { code: number; text: string } {
  let text = ''
  const code = explain(error, { write: (part) => (text += part) })
  return { code, text }
}

test.each([
  ['INVALID_ARGUMENT', 64],
  ['MESSAGE_TOO_LARGE', 65],
  ['INVALID_TOPIC', 65],
  ['UNAVAILABLE', 69],
  ['INTERNAL', 70],
  ['TIMEOUT', 75],
  ['CONNECTION_LOST', 75],
  ['NOT_AUTHORIZED', 77],
  ['LIMIT_EXCEEDED', 77],
] as const)('%s ends with exit code %i and its message in one line', (code, exitCode) => {
  expect(explained(new GomqError(code, 'what, why, what to do'))).toEqual({
    code: exitCode,
    text: 'gomqctl: what, why, what to do\n',
  })
})

test('wrong arguments end with 64, help with 0; the parser has said what there is to say', () => {
  expect(explained(new CommanderError(1, 'commander.unknownOption', 'error'))).toEqual({ code: 64, text: '' })
  expect(explained(new CommanderError(0, 'commander.helpDisplayed', '(outputHelp)'))).toEqual({ code: 0, text: '' })
})

test('a command that is over ends with its code and without a word', () => {
  expect(explained(new Exit(130))).toEqual({ code: 130, text: '' })
})

test('anything else is a bug, ends with 70 and says where', () => {
  const { code, text } = explained(new TypeError('x is undefined'))
  expect(code).toBe(70)
  expect(text).toMatch(/^gomqctl: this is a bug, please report it: TypeError: x is undefined\n\s+at /)
  expect(explained('thrown text').text).toContain('thrown text')
})
