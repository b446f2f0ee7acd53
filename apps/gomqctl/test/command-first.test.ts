import { expect, test } from 'vitest'
import { commandFirst } from '../src/command-first.js'
import { buildProgram } from '../src/program.js'

const program = buildProgram()

test.each([
  ['--topic A --qos 1 pub hello', 'pub --topic A --qos 1 hello'],
  ['pub --topic A hello', 'pub --topic A hello'],
  ['--topic pub pub x', 'pub --topic pub x'],
  ['--topic=A sub', 'sub --topic=A'],
  ['-q1 -tA list', 'list -q1 -tA'],
  ['-t A --from earliest --exit-at-end sub -n 1', 'sub -t A --from earliest --exit-at-end -n 1'],
  ['-lk key -t A pub', 'pub -lk key -t A'],
  ['-lkkey -t A pub', 'pub -lkkey -t A'],
  ['--json version', 'version --json'],
  ['--help pub', 'pub --help'],
  ['help pub', 'help pub'],
  ['--qos 1', '--qos 1'],
  ['--json context --connect a add --qos 1 prod', 'context add --json --connect a --qos 1 prod'],
  ['context --json', 'context --json'],
  ['context nonsense x', 'context nonsense x'],
  ['context --replace -- add', 'context --replace -- add'],
  ['--unknown A pub', '--unknown A pub'],
  ['-x pub', '-x pub'],
  ['-- pub x', '-- pub x'],
  ['nonsense pub', 'nonsense pub'],
  ['', ''],
])("'%s' is read as '%s'", (given, read) => {
  expect(commandFirst(given.split(' '), program).join(' ')).toBe(read)
})
