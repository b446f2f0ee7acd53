import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { BrokerProcess } from '../../src/node/broker-process.js'
import { parseCommandLine } from '../../src/node/configuration/command-line.js'
import type { Configuration } from '../../src/node/configuration/configuration.js'
import { loadConfiguration } from '../../src/node/configuration/load-configuration.js'

/** A configuration as the command line would give it, on free ports of loopback. */
export function configurationOf(dataDir: string, args: string[] = []): Configuration {
  const commandLine = parseCommandLine(
    ['--data-dir', dataDir, '--tcp', '127.0.0.1:0', '--http', '127.0.0.1:0', '--log-level', 'silent', ...args],
    '0.0.0',
  )
  if (commandLine.kind !== 'run') throw new Error('the arguments ask for a text')
  return loadConfiguration(commandLine, { environment: {}, readFile: () => '' }).configuration
}

/** A directory that goes when the test ends. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gomq-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** A broker with real sockets and files in the test's process; it stops when the test ends. */
export async function startBroker(args: string[] = [], dataDir?: string): Promise<BrokerProcess> {
  const directory = dataDir ?? (await temporaryDirectory())
  const failures: Error[] = []
  const started = await BrokerProcess.start(configurationOf(directory, args), pino({ level: 'silent' }), (error) =>
    failures.push(error),
  )
  onTestFinished(async () => {
    await started.stop()
    if (failures.length > 0) throw failures[0]
  })
  return started
}
