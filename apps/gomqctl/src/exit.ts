import { ERROR_TABLE, GomqError } from '@gomq/client'
import { CommanderError } from 'commander'

/** Exit codes that are not those of an error (sysexits, and the shell's for signals). */
export const ExitCode = { OK: 0, USAGE: 64, TEMPORARY: 75, INTERRUPTED: 130, TERMINATED: 143 } as const

/** A command that is over, with the exit code it ends with; nothing is wrong that needs words. */
export class Exit extends Error {
  readonly exitCode: number

  constructor(exitCode: number) {
    super(`exit ${exitCode}`)
    this.exitCode = exitCode
  }
}

/** Writes what went wrong, why and what to do, and returns the exit code for it. */
export function explain(error: unknown, stderr: { write(text: string): unknown }): number {
  if (error instanceof Exit) return error.exitCode
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE
  if (error instanceof GomqError) {
    stderr.write(`gomqctl: ${error.message}\n`)
    return ERROR_TABLE[error.code].exitCode
  }
  stderr.write(`gomqctl: this is a bug: ${error instanceof Error ? error.stack : String(error)}\n`)
  return ERROR_TABLE.INTERNAL.exitCode
}
