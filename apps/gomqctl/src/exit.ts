import { ERROR_TABLE, GomqError } from '@gomq/client'
import { CommanderError } from 'commander'

/** Exit codes that are not those of an error of the broker or the client (sysexits, and the shell's for signals). */
export const ExitCode = {
  OK: 0,
  USAGE: 64,
  DATA: 65,
  IO: 74,
  TEMPORARY: 75,
  INTERRUPTED: 130,
  TERMINATED: 143,
} as const

/** A command that is over, with the exit code it ends with; what there was to say is said. */
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
  // Commander has said already what is wrong.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE
  if (error instanceof GomqError) {
    stderr.write(`gomqctl: ${error.message}\n`)
    return ERROR_TABLE[error.code].exitCode
  }
  stderr.write(
    `gomqctl: this is a bug, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  )
  return ERROR_TABLE.INTERNAL.exitCode
}
