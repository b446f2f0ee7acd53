import { ERROR_TABLE, GomqError } from '@gomq/protocol'

/** Exit codes of the broker, from sysexits where one fits. */
export const ExitCode = {
  OK: 0,
  /** The data directory, an address or something else of the machine is not available. */
  UNAVAILABLE: 69,
  /** A bug in GoMQ. */
  INTERNAL: 70,
  /** A write or a sync failed, or stored data is damaged. */
  STORAGE: 74,
  /** The configuration is not valid. */
  CONFIGURATION: 78,
} as const

/** The exit code for what stopped the broker. */
export function exitCodeFor(error: unknown): number {
  if (error instanceof GomqError) {
    if (error.code === 'STORAGE_FAILED' || error.code === 'CORRUPT_LOG' || error.code === 'CORRUPT_BATCH')
      return ExitCode.STORAGE
    return ERROR_TABLE[error.code].exitCode
  }
  const isSystemError = error instanceof Error && 'syscall' in error
  if (isSystemError && 'code' in error && error.code === 'EIO') return ExitCode.STORAGE
  return isSystemError ? ExitCode.UNAVAILABLE : ExitCode.INTERNAL
}
