import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { descendantsOf, pathOf } from '../../src/command-tree.js'
import { bashCompletion } from '../../src/completion/bash-completion.js'
import { completionTable } from '../../src/completion/completion-table.js'
import { buildProgram } from '../../src/program.js'

const program = buildProgram()
const script = bashCompletion(completionTable(program))

/** What bash offers for lines in which the cursor stands at the end; words are set apart by one space. */
function completeAll(lines: readonly string[]): string[][] {
  const asks = lines.map((line) => {
    const words = line.split(' ').map((word) => `'${word}'`)
    return `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _gomqctl; echo "\${COMPREPLY[@]}"`
  })
  const output = execFileSync('bash', ['--norc', '-u', '-c', `${script}\n${asks.join('\n')}`], {
    encoding: 'utf8',
    cwd: import.meta.dirname,
  })
  return output
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ').filter((word) => word !== ''))
}

const cases: [line: string, offered: string[]][] = [
  ['gomqctl pu', ['pub']],
  ['gomqctl s', ['sub', 'sessions', 'subscriptions']],
  ['gomqctl --qos 1 li', ['list']],
  ['gomqctl --topic pub s', ['sub', 'sessions', 'subscriptions']],
  ['gomqctl --will-t', ['--will-topic']],
  ['gomqctl sub --exit', ['--exit-at-end']],
  ['gomqctl subscribe --exit', ['--exit-at-end']],
  ['gomqctl pub --exit', []],
  ['gomqctl sub --client', ['--client-id']],
  ['gomqctl sub --format s', ['screen']],
  ['gomqctl sub -F r', ['raw']],
  ['gomqctl --qos ', ['0', '1', '2']],
  ['gomqctl --topic ', []],
  ['gomqctl --password-file bash', ['bash-completion.test.ts']],
  ['gomqctl context a', ['add']],
  ['gomqctl context --json re', ['remove']],
  ['gomqctl context add --rep', ['--replace']],
  ['gomqctl -t A pub -- -', []],
  ['gomqctl help --no-', ['--no-clean-session']],
]

test('bash completes commands, options and values', () => {
  const offered = completeAll(cases.map(([line]) => line))
  expect(cases.map(([line], i) => [line, offered[i]])).toEqual(cases)
})

test('every command and every option of every command is offered', () => {
  const lines: string[] = []
  const expected: string[] = []
  for (const command of descendantsOf(program)) {
    lines.push(`gomqctl ${pathOf(command)}`)
    expected.push(command.name())
    for (const { long } of [...command.options, ...program.options]) {
      lines.push(`gomqctl ${pathOf(command)} ${long}`)
      expected.push(long!)
    }
  }
  const offered = completeAll(lines)
  for (const [i, word] of expected.entries()) expect(offered[i], lines[i]).toContain(word)
})
