import { GomqError } from '@gomq/protocol'
import { parse as parseToml } from 'smol-toml'
import type { CommandLine } from './command-line.js'
import type { Configuration } from './configuration.js'
import { isLoopback } from './loopback.js'
import { environmentName, OPTION_KEYS, OPTIONS } from './option-table.js'
import { formatEndpoint, RefusedValue } from './values.js'

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
  if (configuration.etcd.length > 0) checkCluster(configuration)
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

/** The values by their schemas; an unknown key is refused, each value is checked whichever source it came from. */
function check(values: ReadonlyMap<string, unknown>, origins: ReadonlyMap<string, string>): Configuration {
  const problems: string[] = []
  const checked: Partial<Record<keyof Configuration, unknown>> = {}
  for (const key of OPTION_KEYS) {
    const { flag, schema } = OPTIONS[key]
    const value = values.get(flag)
    try {
      checked[key] = schema(value)
    } catch (error) {
      if (!(error instanceof RefusedValue)) throw error
      const shown = flag === OPTIONS.clusterSecret.flag ? '...' : JSON.stringify(value)
      problems.push(`${flag} = ${shown} (${origins.get(flag)}) ${error.message}`)
    }
  }
  const flags = new Set(OPTION_KEYS.map((key) => OPTIONS[key].flag))
  for (const flag of values.keys())
    if (!flags.has(flag))
      problems.push(`'${flag}' (${origins.get(flag)}) is no option; 'gomq --help' shows every option`)
  if (problems.length > 0) throw invalid(problems.join('\n'))
  return checked as Configuration
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

/** Others are told where this broker is, and whoever reaches the port of replication must not be able to pass for a broker. */
function checkCluster(configuration: Configuration): void {
  const { tcp, http, replication, advertiseTcp, advertiseHttp, advertiseReplication, clusterSecret } = configuration
  const listeners = [
    ['tcp', tcp, advertiseTcp],
    ['http', http, advertiseHttp],
    ['replication', replication, advertiseReplication],
  ] as const
  for (const [flag, listener, advertised] of listeners)
    if (listener?.port === 0 && advertised === undefined)
      throw invalid(
        `--${flag} takes a free port, and the brokers of a cluster must know each other's: name the port, or add --advertise-${flag}`,
      )
  if (clusterSecret === '' && !isLoopback(replication.host))
    throw invalid(
      `--replication ${formatEndpoint(replication)} can be reached from other machines: add --cluster-secret, the same for all brokers of the cluster`,
    )
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(configuration.nodeId))
    throw invalid(
      `--node-id ${JSON.stringify(configuration.nodeId)} is the name of this broker in its cluster: use 1 to 64 letters, digits, dots, hyphens and underscores`,
    )
}

function unknownVariables(environment: ConfigurationSources['environment']): string[] {
  const known = new Set(OPTION_KEYS.map((key) => environmentName(OPTIONS[key].flag)))
  known.add('GOMQ_CONFIG')
  return Object.keys(environment).filter((variable) => variable.startsWith('GOMQ_') && !known.has(variable))
}

function invalid(message: string, cause?: unknown): GomqError {
  return new GomqError('CONFIG_INVALID', message, { cause })
}
