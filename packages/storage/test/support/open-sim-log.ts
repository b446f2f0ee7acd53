import type { Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import type { Log } from '../../src/log.js'
import type { LogOptions } from '../../src/log-options.js'
import { openLog } from '../../src/open-log.js'
import type { SimDisk } from '../../src/testing/sim-disk.js'

/** A log on a simulated disk, and what it reported. */
export interface SimLog {
  readonly log: Log
  /** Everything below was reported as synced. */
  readonly synced: () => number
  readonly failure: () => Error | undefined
  /** The log was truncated: what lay above was given up on purpose. */
  readonly handleTruncated: (to: number) => void
}

/** Opens the log in `data` with small segments and no zeros ahead. */
export async function openSimLog(disk: SimDisk, options: Partial<LogOptions> = {}): Promise<SimLog> {
  let synced = 0
  let failure: Error | undefined
  const log = await openLog({
    fs: disk.mount(),
    directory: 'data',
    crc32,
    random: { next: () => 0.5 },
    segmentBytes: 4000,
    tailCacheBytes: 2000,
    indexCacheBytes: 1000,
    zeroAheadBytes: 0,
    onSynced: (offset: Offset) => {
      synced = offset
    },
    onFailure: (error) => {
      failure = error
    },
    ...options,
  })
  const handleTruncated = (to: number) => {
    synced = Math.min(synced, to)
  }
  return { log, synced: () => synced, failure: () => failure, handleTruncated }
}

/** Lets everything that is under way come to its end. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 200; i++) await Promise.resolve()
}
