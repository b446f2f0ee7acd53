import { GomqError } from '@gomq/protocol'
import { parse as parseToml } from 'smol-toml'
import { z } from 'zod'
import type { CommandLine } from './command-line.js'
import type { Configuration } from './configuration.js'
import { isLoopback } from './loopback.js'
import { environmentName, OPTION_KEYS, OPTIONS } from './option-table.js'
import { formatEndpoint } from './values.js'

/** The one schema: an unknown key is refused, each value is checked whichever source it came from. */
const schema = z.strictObject(
  Object.fromEntries(OPTION_KEYS.map((key): [string, z.ZodType] => [OPTIONS[key].flag, OPTIONS[key].schema])),
)

/** Where values come from, beside the command line. */
export interface ConfigurationSources {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Text of the configuration file. */
  readFile(path: string): string
}

/** A configuration, and what an operator should hear about how it came to be. */
export interface LoadedConfiguration {
  readonly configuration: Configuration
  /** Variables that begin with `GOMQ_` and mean nothing to this broker: perhaps a slip, perhaps somebody else's. */
  readonly unknownVariables: readonly string[]
}

/**
 * Merges flags over environment over file over defaults, and checks the result.
 * @throws GomqError CONFIG_INVALID  which value, where it came from, and what to write instead
 */
export function loadConfiguration(
  commandLine: Extract<CommandLine, { kind: 'run' }>,
  sources: ConfigurationSources,
): LoadedConfiguration {
  const file = commandLine.configFile ?? sources.environment['GOMQ_CONFIG']
  const values = new Map<string, unknown>()
  const origins = new Map<string, string>()
  const put = (flag: string, value: unknown, origin: string): void => {
    values.set(flag, value)
    origins.set(flag, origin)
  }
  for (const key of OPTION_KEYS) put(OPTIONS[key].flag, OPTIONS[key].fallback, 'default')
  if (file !== undefined) {
    for (const [flag, value] of readConfigurationFile(file, sources)) put(flag, value, `file ${file}`)
  }
  for (const key of OPTION_KEYS) {
    const variable = environmentName(OPTIONS[key].flag)
    const value = sources.environment[variable]
    if (value !== undefined) put(OPTIONS[key].flag, value, `environment variable ${variable}`)
  }
  for (const [flag, value] of commandLine.values) put(flag, value, 'command line')
  const configuration = check(values, origins)
  refuseOpenListeners(configuration)
  return { configuration, unknownVariables: unknownVariables(sources.environment) }
}

function readConfigurationFile(file: string, sources: ConfigurationSources): [string, unknown][] {
  let text: string
  try {
    text = sources.readFile(file)
  } catch (cause) {
    throw invalid(
      `the configuration file ${file} cannot be read (${(cause as Error).message}); name one that exists`,
      cause,
    )
  }
  try {
    return Object.entries(parseToml(text))
  } catch (cause) {
    throw invalid(`the configuration file ${file} is no TOML: ${(cause as Error).message}`, cause)
  }
}

function check(values: ReadonlyMap<string, unknown>, origins: ReadonlyMap<string, string>): Configuration {
  const result = schema.safeParse(Object.fromEntries(values))
  if (!result.success) {
    const problems = result.error.issues.map((issue) => {
      if (issue.code === 'unrecognized_keys') {
        return issue.keys
          .map((flag) => `'${flag}' (${origins.get(flag)}) is no option; 'gomq --help' shows every option`)
          .join('\n')
      }
      const flag = String(issue.path[0])
      return `${flag} = ${JSON.stringify(values.get(flag))} (${origins.get(flag)}) ${issue.message}`
    })
    throw invalid(problems.join('\n'))
  }
  return Object.fromEntries(OPTION_KEYS.map((key) => [key, result.data[OPTIONS[key].flag]])) as unknown as Configuration
}

/** Nobody authenticates yet, so that only this machine may reach the listeners unless the operator says otherwise. */
function refuseOpenListeners({ tcp, http, insecure }: Configuration): void {
  if (insecure) return
  for (const [flag, address] of [['tcp', tcp] as const, ['http', http] as const]) {
    if (address === undefined || isLoopback(address.host)) continue
    throw invalid(
      `--${flag} ${formatEndpoint(address)} can be reached from other machines, and clients need not authenticate: ` +
        'anybody there could read and write everything. Listen on 127.0.0.1, or add --insecure if the network is trusted',
    )
  }
}

function unknownVariables(environment: ConfigurationSources['environment']): string[] {
  const known = new Set(OPTION_KEYS.map((key) => environmentName(OPTIONS[key].flag)))
  known.add('GOMQ_CONFIG')
  return Object.keys(environment).filter((variable) => variable.startsWith('GOMQ_') && !known.has(variable))
}

function invalid(message: string, cause?: unknown): GomqError {
  return new GomqError('CONFIG_INVALID', message, { cause })
}
