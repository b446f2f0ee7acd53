import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { CLUSTER_PLANTS, PLANTS, type Plant } from './plant.js'

/** What `npm run sim` is asked for. */
export interface RunOptions {
  /** The first seed. */
  readonly seed: number
  /** How many seeds from there on. */
  readonly count: number
  readonly brokers: number
  /** Length of the time with faults, in steps of 25 ms of virtual time. */
  readonly steps: number
  readonly isGoverned: boolean
  /** Undefined: all. */
  readonly faults: readonly string[] | undefined
  readonly plant: Plant | null
  /** Whether the table of planted bugs is wanted in place of a run. */
  readonly printsPlants: boolean
  /** Whether every event is printed. */
  readonly isTraced: boolean
}

/** The options, or a text to print and the exit code to end with: 0 for help, 64 for a command line that is wrong. */
export type CommandLine =
  | { readonly kind: 'run'; readonly options: RunOptions }
  | { readonly kind: 'print'; readonly text: string; readonly exitCode: 0 | 64 }

interface Values {
  readonly seed?: number
  readonly seeds: number
  readonly from: number
  readonly brokers: number
  readonly steps: number
  readonly ungoverned?: boolean
  readonly faults?: readonly string[]
  readonly plant?: Plant
  readonly plants?: boolean
  readonly trace?: boolean
}

const EXAMPLES = `
Examples:
  npm run sim -- --seeds 1000                        seeds 1 to 1000
  npm run sim -- --seeds 1000 --from 5000            seeds 5000 to 5999
  npm run sim -- --seed 42 --trace                   one seed, every event
  npm run sim -- --seed 42 --brokers 3 --steps 1000  a cluster of three
  npm run sim -- --seed 42 --brokers 3 --faults "crash,one-way partition"
  npm run sim -- --seed 42 --plant no-dedupe         with a planted bug, which must be found
  npm run sim -- --plants --seeds 40 --steps 600     for each bug of a cluster the first seed that finds it

A seed repeats its run event by event. A seed that fails is printed with the invariants that broke and the last events, and the exit code is 1.
sim/README.md says what happens in a run, which faults there are, and which invariants are held.`

/** Reads the arguments after `npm run sim --`. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  let printed = ''
  const command = new Command('npm run sim --')
    .description(
      'Runs real brokers, clients, network and disks in virtual time, with faults, and holds what was seen to the promises.',
    )
    .usage('[options]')
    .helpOption('-h, --help', 'Print this help.')
    .addOption(new Option('--seed <n>', 'Run this seed alone.').argParser(wholeNumber(0)))
    .addOption(new Option('--seeds <count>', 'Run so many seeds.').argParser(wholeNumber(1)).default(100))
    .addOption(new Option('--from <n>', 'The first of them.').argParser(wholeNumber(0)).default(1))
    .addOption(
      new Option('--brokers <n>', 'Brokers: 1, or a cluster of 3 or 5.')
        .argParser((text) => oneOf([1, 3, 5], wholeNumber(1)(text)))
        .default(1),
    )
    .addOption(
      new Option('--steps <n>', 'Length of the time with faults; a step is 25 ms of virtual time.')
        .argParser(wholeNumber(1))
        .default(400),
    )
    .addOption(
      new Option(
        '--faults <names>',
        'Only these faults, with commas between; the last line of a run names them. (default: all)',
      ).argParser((text) => text.split(',')),
    )
    .addOption(new Option('--ungoverned', 'Without retention policies, as kept seeds are run.'))
    .addOption(new Option('--plant <bug>', 'Plant a bug.').choices([...PLANTS, ...CLUSTER_PLANTS]))
    .addOption(new Option('--plants', 'Print the table of planted bugs of a cluster, of 3 brokers at least.'))
    .addOption(new Option('--trace', 'Print every event.'))
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => (printed += text), writeErr: () => undefined })
    .addHelpText('after', EXAMPLES)
  try {
    command.parse(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return { kind: 'print', text: printed, exitCode: 0 }
    const problem = error.message.replace(/^error: /, '').replaceAll('\n', ' ')
    return { kind: 'print', text: `sim: ${problem}; 'npm run sim -- --help' shows every option\n`, exitCode: 64 }
  }
  const { seed, seeds, from, brokers, steps, faults, plant } = command.opts<Values>()
  const { ungoverned = false, plants = false, trace = false } = command.opts<Values>()
  const options: RunOptions = {
    seed: seed ?? from,
    count: seed === undefined ? seeds : 1,
    brokers,
    steps,
    isGoverned: !ungoverned,
    faults,
    plant: plant ?? null,
    printsPlants: plants,
    isTraced: trace,
  }
  return { kind: 'run', options }
}

function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (Number.isSafeInteger(value) && value >= min) return value
    throw new InvalidArgumentError(`It is no whole number from ${min} on.`)
  }
}

function oneOf(allowed: readonly number[], value: number): number {
  if (allowed.includes(value)) return value
  throw new InvalidArgumentError(`Allowed are ${allowed.join(', ')}.`)
}
