import { type Log, type LogOptions, openLog } from '@gomq/storage'
import type { BrokerOptions } from './broker-options.js'

/** A log that was opened, and what it took. */
export interface OpenedLog {
  readonly log: Log
  /** Time for the sealed segments, and for the active one. */
  readonly times: { readonly segmentsMs: number; readonly activeMs: number }
}

/**
 * Opens the log of a broker. Of one alone, everything that is on the disk has committed.
 * @throws GomqError DATA_DIR_LOCKED, CORRUPT_LOG, UNSUPPORTED_FORMAT
 */
export async function openBrokerLog(
  options: BrokerOptions,
  events: Pick<LogOptions, 'onWritten' | 'onSynced' | 'onFull' | 'onFailure'>,
): Promise<OpenedLog> {
  const {
    fs,
    directory,
    crc32,
    random,
    scheduler,
    segmentBytes,
    tailCacheBytes,
    cluster,
    gather,
    log: brokerLog,
  } = options
  const startedMs = scheduler.nowMs()
  let sealedMs = startedMs
  let openedMs = startedMs
  const log = await openLog({
    fs,
    directory,
    crc32,
    random,
    segmentBytes,
    tailCacheBytes,
    gather,
    onRecovered: (part) => {
      openedMs = scheduler.nowMs()
      if (part === 'sealed') sealedMs = openedMs
    },
    pause: (ms) => new Promise((resolve) => scheduler.schedule(ms, resolve)),
    ...events,
  })
  if (log.tornTail !== undefined)
    brokerLog.warn({ ...log.tornTail }, 'the end of the log was torn and is cut; nothing of it was acknowledged')
  if (cluster === undefined) log.setHighWatermark(log.syncedOffset)
  return { log, times: { segmentsMs: sealedMs - startedMs, activeMs: openedMs - sealedMs } }
}
