import { GomqError } from '@gomq/protocol'
import { Command, CommanderError, Option } from 'commander'
import { environmentName, OPTION_KEYS, OPTIONS } from './option-table.js'

/** What the command line asks for: to run, or to print a text and stop. */
export type CommandLine =
  | { readonly kind: 'run'; readonly configFile: string | undefined; readonly values: ReadonlyMap<string, string> }
  | { readonly kind: 'print'; readonly text: string }

/**
 * Reads the arguments after `gomq`. Values stay text; they are checked with those of the other sources.
 * @throws GomqError CONFIG_INVALID  an option that does not exist, or one without its value
 */
export function parseCommandLine(args: readonly string[], version: string): CommandLine {
  let printed = ''
  const command = new Command('gomq')
    .description('The GoMQ message broker. Prints one line on stdout when it is ready, and logs to stderr as JSON.')
    .version(`gomq ${version}`, '-v, --version', 'Print the version.')
    .helpOption('-h, --help', 'Print this help.')
    .addOption(
      new Option('--config <file>', 'TOML file with the options below as keys, without the dashes. [GOMQ_CONFIG]'),
    )
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => (printed += text), writeErr: () => undefined })
    .addHelpText('after', '\nA flag overrides the environment, which overrides the file, which overrides the default.')
  for (const key of OPTION_KEYS) {
    const { flag, placeholder, description, fallback } = OPTIONS[key]
    const shown = fallback === '' ? 'none' : fallback
    const help = `${description} (default: ${shown}) [${environmentName(flag)}]`
    command.addOption(new Option(placeholder === undefined ? `--${flag}` : `--${flag} <${placeholder}>`, help))
  }
  try {
    command.parse(args, { from: 'user' })
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause
    if (cause.exitCode === 0) return { kind: 'print', text: printed }
    const problem = cause.message.replace(/^error: /, '')
    throw new GomqError('CONFIG_INVALID', `${problem}; 'gomq --help' shows every option`, { cause })
  }
  const given = command.opts<Record<string, string | boolean | undefined>>()
  const values = new Map<string, string>()
  for (const key of OPTION_KEYS) {
    const value = given[key]
    if (value !== undefined) values.set(OPTIONS[key].flag, String(value))
  }
  return { kind: 'run', configFile: given['config'] as string | undefined, values }
}
