import { Command, Option } from 'commander'
import { expect, test } from 'vitest'
import { completionTable, valueOptions } from '../../src/completion/completion-table.js'

const program = new Command('p').addOption(new Option('-q, --qos <0|1>', 'level')).option('--json', 'as JSON')
const sub = program.command('sub').alias('s').description('listens').option('--file <file>', 'where')
sub
  .command('deep')
  .addOption(new Option('--format <format>', 'how').choices(['a', 'b']))
  .option('--free <x>', 'any')
const table = completionTable(program)
const own = [
  { names: ['-q', '--qos'], description: 'level', value: ['0', '1'] },
  { names: ['--json'], description: 'as JSON', value: 'none' },
  { names: ['-h', '--help'], description: 'print help', value: 'none' },
]

test('every command stands there with all ways to call it, its commands, its options and those of all', () => {
  expect(table).toEqual([
    {
      calls: [''],
      commands: [
        ['sub', 'listens'],
        ['help', 'print help'],
      ],
      options: own,
    },
    {
      calls: ['sub', 's'],
      commands: [
        ['deep', ''],
        ['help', 'print help for sub'],
      ],
      options: [{ names: ['--file'], description: 'where', value: 'file' }, ...own],
    },
    {
      calls: ['sub deep', 's deep'],
      commands: [],
      options: [
        { names: ['--format'], description: 'how', value: ['a', 'b'] },
        { names: ['--free'], description: 'any', value: 'other' },
        ...own,
      ],
    },
  ])
})

test('options that take a value are known, each once', () => {
  expect(valueOptions(table)).toEqual(['-q', '--qos', '--file', '--format', '--free'])
})
