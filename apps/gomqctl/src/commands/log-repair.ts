import { GomqError } from '@gomq/client'
import type { LogOptions, LogRequest } from '../log-request.js'
import type { Notes } from '../notes.js'

/** Prints what a repair would do and lose, or does it. */
export async function repair(
  { directory }: Extract<LogRequest, { action: 'repair' }>,
  _options: LogOptions,
  _notes: Notes,
): Promise<void> {
  throw new GomqError('UNSPECIFIED', `not there yet: ${directory}`)
}
