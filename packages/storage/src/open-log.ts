import { GomqError, randomIdentity } from '@gomq/protocol'
import { readCheckpoint } from './checkpoint.js'
import { isNoRoom } from './full-disk.js'
import { Log } from './log.js'
import { contextOf, type LogOptions } from './log-options.js'
import { type RecoveredSegments, recoverSegments } from './recovery.js'

/**
 * Opens the log in a data directory and recovers what a crash left: everything that was reported as synced is there; what was appended and
 * not reported is there up to some batch, synced now, or not at all. The high watermark begins at the log's start; the caller knows what
 * is committed.
 *
 * @throws GomqError DATA_DIR_LOCKED     another process, or this one, has the directory open
 * @throws GomqError CORRUPT_LOG         something that was once synced is damaged or missing; the message names file, byte and offset
 * @throws GomqError UNSUPPORTED_FORMAT  another version wrote the files
 * @throws GomqError DISK_FULL           there is no room for what only a start writes: the first files, or the end of the log anew after a failed sync
 * @throws Error                         of the operating system, with its `code`
 */
export async function openLog(options: LogOptions): Promise<Log> {
  const { fs, directory, crc32, random } = options
  let log: Log | undefined
  let lost: GomqError | undefined
  const lock = await fs.lock(directory, (error) => {
    lost = error
    log?.handleLockLost(error)
  })
  let recovered: RecoveredSegments | undefined
  try {
    const checkpoint = await readCheckpoint(fs, directory, crc32)
    recovered = await recoverSegments(fs, directory, checkpoint, crc32, () => options.onRecovered?.('sealed'))
    options.onRecovered?.('active')
    const storeId = checkpoint?.storeId ?? randomIdentity(random).toString(36)
    log = new Log(contextOf(options, storeId), lock, recovered, checkpoint)
    await log.start(checkpoint === undefined || checkpoint.isEmptying === true)
    if (lost !== undefined) throw lost
    return log
  } catch (error) {
    await recovered?.activeFile.close().catch(() => undefined)
    await lock.release().catch(() => undefined)
    throw isNoRoom(error) ? startNeedsRoom(directory, error) : error
  }
}

function startNeedsRoom(directory: string, cause: unknown): GomqError {
  return new GomqError(
    'DISK_FULL',
    `the disk of ${directory} is full and the log cannot be opened; nothing is lost; make room and start again`,
    { cause },
  )
}
