import { resolve } from 'node:path'
import { GomqError } from '@gomq/client'
import { type Command, InvalidArgumentError, type Option } from 'commander'
import { type ContextSettings, contextFile, readContexts } from './context-file.js'
import { globalOptions } from './global-options.js'

const KEEPABLE = new Set(
  globalOptions()
    .filter(({ negate, long }) => !negate && long !== '--context')
    .map(({ long }) => long),
)

/**
 * Where a value comes from, the strongest first. A context that was named on the command line counts before the environment; another one
 * only before defaults.
 */
const SOURCES: readonly (string | undefined)[] = ['cli', 'named context', 'env', 'context', 'default', undefined]

/** Who one is at one broker: what a context says of it is not shown to another. */
const CREDENTIALS = new Set(['username', 'password', 'password-file'])

/**
 * Takes from the context that counts what is not given. That is the context named by `--context` or GOMQ_CONTEXT, none if that is empty, else
 * the one in use. Its user and password stay out of it when `--connect` names another broker than the context does.
 *
 * @throws GomqError INVALID_ARGUMENT  there is no such context
 * @throws GomqError CONFIG_INVALID    the contexts, or a value in one, are damaged
 */
export function applyContext(program: Command, file: string = contextFile()): void {
  const named = program.getOptionValue('context') as string | undefined
  if (named === '') return
  const { current, byName } = readContexts(file)
  const name = named ?? current
  if (name === undefined) return
  const settings = byName.get(name)
  if (settings === undefined) throw noContext(name, byName.keys())
  const source = program.getOptionValueSource('context') === 'cli' ? 'named context' : 'context'
  const { connect } = settings
  const isElsewhere =
    connect !== undefined &&
    rankOf(program, 'connect') < rankOf(program, undefined, source) &&
    !isBroker(program, String(connect))
  for (const [key, value] of Object.entries(settings)) {
    if (isElsewhere && CREDENTIALS.has(key)) continue
    const option = KEEPABLE.has(`--${key}`) ? program.options.find(({ long }) => long === `--${key}`) : undefined
    const damaged = (why: string) =>
      new GomqError('CONFIG_INVALID', `context '${name}' in ${file}: ${JSON.stringify(key)} ${why}`)
    if (option === undefined) throw damaged('is no option that a context can hold')
    if (rankOf(program, option.attributeName()) > rankOf(program, undefined, source))
      program.setOptionValueWithSource(option.attributeName(), parsedValue(option, value, damaged), source)
  }
}

/** Of a password and a password file only the one from the stronger source; both if they come from the same. */
export function dropWeakerPassword<Given extends object>(program: Command, given: Given): Given {
  const difference = rankOf(program, 'password') - rankOf(program, 'passwordFile')
  if (difference === 0) return given
  const weaker = difference > 0 ? 'password' : 'passwordFile'
  return Object.fromEntries(Object.entries(given).filter(([name]) => name !== weaker)) as Given
}

/** The options that stand on the command line, as a context keeps them. */
export function settingsFrom(program: Command): ContextSettings {
  const settings: Record<string, string | readonly string[]> = {}
  for (const option of program.options) {
    const name = option.attributeName()
    if (!KEEPABLE.has(option.long) || program.getOptionValueSource(name) !== 'cli') continue
    settings[option.long!.slice(2)] = textOf(name, program.getOptionValue(name))
  }
  return settings
}

/** The complaint about a context that is not there. */
export function noContext(name: string, names: Iterable<string>): GomqError {
  const known = [...names].join(', ')
  return new GomqError(
    'INVALID_ARGUMENT',
    `there is no context ${JSON.stringify(name)}; ${known === '' ? 'add one with gomqctl context add' : `there are: ${known}`}`,
  )
}

function rankOf(program: Command, option: string | undefined, source?: string): number {
  return SOURCES.indexOf(option === undefined ? source : program.getOptionValueSource(option))
}

/** Whether `--connect` has the value that it would have with this text. */
function isBroker(program: Command, text: string): boolean {
  const option = program.options.find(({ long }) => long === '--connect')
  const value = option?.parseArg?.(text, undefined) ?? text
  return String(value) === String(program.getOptionValue('connect'))
}

function textOf(name: string, value: unknown): string | readonly string[] {
  if (name === 'topic') return value as string[]
  if (Array.isArray(value)) return value.join(',')
  if (typeof value === 'boolean') return value ? '1' : '0'
  // A context is used in other directories than the one where it was made.
  return name === 'passwordFile' ? resolve(String(value)) : String(value)
}

/** @throws GomqError  as `damaged` makes it */
function parsedValue(option: Option, text: string | readonly string[], damaged: (why: string) => GomqError): unknown {
  const isList = typeof text !== 'string'
  if (isList !== (option.attributeName() === 'topic')) throw damaged(isList ? 'is a list' : 'is no list')
  if (option.parseArg === undefined) return text
  try {
    let value: unknown
    for (const each of isList ? text : [text]) value = option.parseArg(each, value)
    return value
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw damaged(`is not valid. ${error.message}`)
    throw error
  }
}
