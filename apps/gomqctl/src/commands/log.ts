import { GomqError } from '@gomq/client'
import { Exit, ExitCode } from '../exit.js'
import type { LogOptions, LogRequest } from '../log-request.js'
import { Notes } from '../notes.js'
import { backup, restoreBackup } from './log-backup.js'
import { dump } from './log-dump.js'
import { repair } from './log-repair.js'
import { verify } from './log-verify.js'

/** Works on the files of a log, without a broker. Damage ends with 65, what the system refuses with 74. */
export async function log(request: LogRequest, options: LogOptions): Promise<void> {
  const notes = new Notes(process.stderr, options.quiet)
  try {
    switch (request.action) {
      case 'verify':
        return await verify(request, options, notes)
      case 'dump':
        return await dump(request, options, notes)
      case 'repair':
        return await repair(request, options, notes)
      case 'backup':
        return await backup(request, options, notes)
      case 'restore':
        return await restoreBackup(request, options, notes)
    }
  } catch (error) {
    if (error instanceof GomqError && (error.code === 'CORRUPT_LOG' || error.code === 'CORRUPT_BATCH')) {
      notes.warn(error.message)
      throw new Exit(ExitCode.DATA)
    }
    if (error instanceof Error && 'syscall' in error) {
      notes.warn(error.message)
      throw new Exit(ExitCode.IO)
    }
    throw error
  }
}
