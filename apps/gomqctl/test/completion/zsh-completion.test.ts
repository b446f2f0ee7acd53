import { expect, test } from 'vitest'
import { bashCompletion } from '../../src/completion/bash-completion.js'
import { completionTable } from '../../src/completion/completion-table.js'
import { zshCompletion } from '../../src/completion/zsh-completion.js'
import { buildProgram } from '../../src/program.js'

test('zsh runs the script for bash by bashcompinit', () => {
  const table = completionTable(buildProgram())
  const script = zshCompletion(table)
  expect(script).toContain('bashcompinit')
  expect(script).toContain(bashCompletion(table).split('\n').slice(1).join('\n'))
})
