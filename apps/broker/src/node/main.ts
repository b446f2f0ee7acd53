import { readFileSync } from 'node:fs'
import { GomqError } from '@gomq/protocol'
import type { Logger } from 'pino'
import { BrokerProcess } from './broker-process.js'
import { fitCollector } from './collector.js'
import { parseCommandLine } from './configuration/command-line.js'
import { type LoadedConfiguration, loadConfiguration } from './configuration/load-configuration.js'
import { ExitCode, exitCodeFor } from './exit-code.js'
import { createLogger } from './logger.js'
import { GOMQ_VERSION } from './version.js'

/**
 * How far apart two signals are that mean impatience. Ctrl-C in a terminal comes to the broker and to whoever started it, and a
 * starter that passes it on makes it two.
 */
const SECOND_SIGNAL_AFTER_MS = 500

const loaded = configure()
if (loaded !== undefined) await run(loaded)

/** The configuration, or undefined if the command line only asked for a text. */
function configure(): LoadedConfiguration | undefined {
  try {
    const commandLine = parseCommandLine(process.argv.slice(2), GOMQ_VERSION)
    if (commandLine.kind === 'run') {
      return loadConfiguration(commandLine, {
        environment: process.env,
        readFile: (path) => readFileSync(path, 'utf8'),
      })
    }
    process.stdout.write(commandLine.text)
    return undefined
  } catch (error) {
    if (!(error instanceof GomqError)) throw error
    process.stderr.write(`gomq: ${error.message}\n`)
    process.exitCode = ExitCode.CONFIGURATION
    return undefined
  }
}

async function run({ configuration, unknownVariables }: LoadedConfiguration): Promise<void> {
  const log = createLogger(configuration.logLevel, configuration.nodeId)
  exitOnBugs(log)
  if (unknownVariables.length > 0) {
    log.warn(
      { variables: unknownVariables },
      'environment variables begin with GOMQ_ and are no options; they are ignored',
    )
  }
  const startedMs = performance.now()
  let started: BrokerProcess
  try {
    started = await BrokerProcess.start(configuration, log, (error) =>
      fail(log, error, 'the broker has failed and exits'),
    )
  } catch (error) {
    process.stderr.write(`gomq: ${error instanceof Error ? error.message : String(error)}\n`)
    fail(log, error, 'the broker cannot start')
  }
  fitCollector()
  stopOnSignals(started, log)
  log.info({ version: GOMQ_VERSION, startMs: Math.round(performance.now() - startedMs) }, 'ready')
  process.stdout.write(`${started.readyLine}\n`)
}

/** After a bug nothing in memory can be trusted: the log on disk can, and the next start reads it. */
function exitOnBugs(log: Logger): void {
  process.on('uncaughtException', (error) => fail(log, error, 'a bug ends the broker; please report it'))
  process.on('unhandledRejection', (error) => fail(log, error, 'a bug ends the broker; please report it'))
  // Whoever started the broker may stop reading what it prints.
  process.stdout.on('error', () => undefined)
}

function stopOnSignals(started: BrokerProcess, log: Logger): void {
  let stoppingSinceMs: number | undefined
  const stop = (signal: NodeJS.Signals): void => {
    if (stoppingSinceMs !== undefined) {
      if (performance.now() - stoppingSinceMs < SECOND_SIGNAL_AFTER_MS) return
      log.warn({ signal }, 'a second signal: exiting at once')
      process.exit(128 + (signal === 'SIGINT' ? 2 : 15))
    }
    stoppingSinceMs = performance.now()
    log.info({ signal }, 'stopping')
    started.stop().then(
      () => {
        log.info({}, 'stopped')
        process.exit(ExitCode.OK)
      },
      (error: unknown) => fail(log, error, 'stopping failed'),
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

function fail(log: Logger, error: unknown, message: string): never {
  // A refusal says all in its message; only a bug needs its stack.
  log.fatal(error instanceof GomqError ? { code: error.code, reason: error.message } : { err: error }, message)
  process.exit(exitCodeFor(error))
}
