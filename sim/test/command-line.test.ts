import { expect, test } from 'vitest'
import { parseCommandLine } from '../src/command-line.js'
import { CLUSTER_PLANTS, PLANTS } from '../src/plant.js'

const textOf = (...args: string[]) => {
  const commandLine = parseCommandLine(args)
  if (commandLine.kind !== 'print') throw new Error('it runs')
  return commandLine
}
const optionsOf = (...args: string[]) => {
  const commandLine = parseCommandLine(args)
  if (commandLine.kind !== 'run') throw new Error(commandLine.text)
  return commandLine.options
}

test('--help names every option with its default, and shows examples', () => {
  const { text, exitCode } = textOf('--help')
  expect(exitCode).toBe(0)
  const flat = text.replace(/\s+/g, ' ')
  for (const [option, fallback] of [
    ['--seeds <count>', '100'],
    ['--from <n>', '1'],
    ['--brokers <n>', '1'],
    ['--steps <n>', '400'],
    ['--faults <names>', 'all'],
  ])
    expect(flat).toMatch(new RegExp(`${option} [^-]*\\(default: ${fallback}\\)`))
  for (const option of ['--seed <n>', '--ungoverned', '--plant <bug>', '--plants', '--trace', 'Examples:'])
    expect(flat).toContain(option)
  for (const plant of [...PLANTS, ...CLUSTER_PLANTS]) expect(flat).toContain(`"${plant}"`)
})

test('one seed, or many from one on', () => {
  expect(optionsOf()).toEqual({
    seed: 1,
    count: 100,
    brokers: 1,
    steps: 400,
    isGoverned: true,
    faults: undefined,
    plant: null,
    printsPlants: false,
    isTraced: false,
  })
  expect(optionsOf('--seed', '42', '--seeds', '9')).toMatchObject({ seed: 42, count: 1 })
  expect(optionsOf('--seeds', '9', '--from', '5')).toMatchObject({ seed: 5, count: 9 })
  expect(optionsOf('--faults', 'crash,one-way partition', '--plant', 'no-dedupe', '--ungoverned')).toMatchObject({
    faults: ['crash', 'one-way partition'],
    plant: 'no-dedupe',
    isGoverned: false,
  })
})

test('what is wrong is said in a line, with 64', () => {
  for (const [args, reason] of [
    [['--seed', 'x'], 'no whole number from 0 on'],
    [['--brokers', '2'], 'Allowed are 1, 3, 5'],
    [['--plant', 'unheard-of'], 'Allowed choices are unsynced-acks'],
    [['--sede', '1'], "unknown option '--sede'"],
    [['1'], 'too many arguments'],
  ] as const) {
    const { text, exitCode } = textOf(...args)
    expect([exitCode, text.trimEnd().split('\n').length]).toEqual([64, 1])
    expect(text).toContain(reason)
    expect(text).toContain("'npm run sim -- --help' shows every option")
  }
})
