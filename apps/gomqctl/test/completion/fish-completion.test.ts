import { expect, test } from 'vitest'
import { completionTable } from '../../src/completion/completion-table.js'
import { fishCompletion } from '../../src/completion/fish-completion.js'
import { buildProgram } from '../../src/program.js'

const lines = fishCompletion(completionTable(buildProgram())).split('\n')
const ofSub = String.raw`complete -c gomqctl -n '__gomqctl_is \'sub\' \'subscribe\''`

test('fish is told commands and options with where they belong, their values and descriptions', () => {
  expect(lines).toContain(
    "complete -c gomqctl -n '__gomqctl_is \\'\\'' -a pub -d 'publish messages: words, or lines of standard input, or all of it'",
  )
  expect(lines).toContain(`${ofSub} -l exit-at-end -d 'end when everything that is stored now was printed'`)
  expect(lines.find((line) => line.startsWith(`${ofSub} -s F -l format`))).toContain(
    " -x -a 'text raw json screen' -d ",
  )
  expect(lines.find((line) => line.startsWith(`${ofSub} -s r -l retain`))).toContain(String.raw`topic\'s last value`)
  expect(lines.find((line) => line.startsWith(`${ofSub} -l password-file`))).toContain(' -r -F -d ')
})

test('every quote is closed', () => {
  for (const line of lines) expect((line.replace(/\\./g, '').match(/'/g) ?? []).length % 2, line).toBe(0)
})
