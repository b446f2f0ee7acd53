import type { Command, Option } from 'commander'
import { descendantsOf, pathOf } from '../command-tree.js'

/** What may follow an option: nothing, a file, one of a few words, or something that only its user knows. */
export type OptionValue = 'none' | 'file' | 'other' | readonly string[]

/** An option as a shell completes it. */
export interface CompletableOption {
  /** `--qos`, and `-q` if there is a short form. */
  readonly names: readonly string[]
  readonly description: string
  readonly value: OptionValue
}

/** A command as a shell completes it. */
export interface CompletableCommand {
  /** How it may be called behind the name of the program: `pub` and `publish`; an empty text for the program itself. */
  readonly calls: readonly string[]
  /** Names of the commands below it, with their descriptions. */
  readonly commands: readonly (readonly [name: string, description: string])[]
  /** Its own options and those of every command. */
  readonly options: readonly CompletableOption[]
}

/** The program and all its commands, as the shells' scripts are made from them. */
export function completionTable(program: Command): CompletableCommand[] {
  return [program, ...descendantsOf(program)].map((command) => ({
    calls: callsOf(command),
    commands: commandsOf(command),
    options: [...[...(command === program ? [] : command.options), ...program.options].map(completable), HELP],
  }))
}

/** Names of all options that take a value, at any command: a word behind one is no command. */
export function valueOptions(table: readonly CompletableCommand[]): string[] {
  const options = table.flatMap((command) => command.options).filter(({ value }) => value !== 'none')
  return [...new Set(options.flatMap(({ names }) => names))]
}

const HELP: CompletableOption = { names: ['-h', '--help'], description: 'print help', value: 'none' }

function callsOf(command: Command): string[] {
  if (command.parent === null) return ['']
  const names = [command.name(), ...command.aliases()]
  return callsOf(command.parent).flatMap((before) => names.map((name) => `${before} ${name}`.trimStart()))
}

function commandsOf(command: Command): (readonly [string, string])[] {
  if (command.commands.length === 0) return []
  return [
    ...command.commands.map((each) => [each.name(), each.description()] as const),
    ['help', `print help${pathOf(command) === '' ? '' : ` for ${pathOf(command)}`}`] as const,
  ]
}

function completable(option: Option): CompletableOption {
  const names = [option.short, option.long].filter((name) => name !== undefined)
  return { names, description: option.description, value: valueBehind(option) }
}

function valueBehind({ required, argChoices, flags }: Option): OptionValue {
  if (!required) return 'none'
  if (argChoices !== undefined) return argChoices
  const [, placeholder = ''] = /<(.*)>/.exec(flags) ?? []
  if (placeholder.includes('|')) return placeholder.split('|')
  return placeholder === 'file' ? 'file' : 'other'
}
