import { expect, test } from 'vitest'
import { completionScript, SHELLS } from '../../src/commands/completion.js'
import { buildProgram } from '../../src/program.js'

test.each(SHELLS)('the script for %s says first how it is used', (shell) => {
  const script = completionScript(shell, buildProgram())
  expect(script).toMatch(new RegExp(`^# Completion of gomqctl for ${shell}: .*gomqctl completion ${shell}`))
  expect(script.endsWith('\n')).toBe(true)
})
