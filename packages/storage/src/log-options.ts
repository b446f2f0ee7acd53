import { type Crc32, type GomqError, invariant, type Offset, type Random } from '@gomq/protocol'
import type { FileSystem } from './file-system.js'
import {
  INDEX_CACHE_BYTES_DEFAULT,
  SEGMENT_BYTES_DEFAULT,
  SEGMENT_BYTES_LIMIT,
  TAIL_CACHE_BYTES_DEFAULT,
  ZERO_AHEAD_BYTES_DEFAULT,
} from './limits.js'

/** What a log is opened with. */
export interface LogOptions {
  readonly fs: FileSystem
  /** The data directory, made if it is not there. The segments lie in `log` below it. */
  readonly directory: string
  readonly crc32: Crc32
  /** For the identity of a new store. */
  readonly random: Random
  /** Bytes after which a segment is sealed, 1 to 2 GiB; 128 MiB by default. A batch that is larger has a segment for itself. */
  readonly segmentBytes?: number
  /** Bytes of the newest batches kept in memory, 0 or more; 32 MiB by default. */
  readonly tailCacheBytes?: number
  /** Bytes of indexes of sealed segments kept in memory, 0 or more; 64 MiB by default. */
  readonly indexCacheBytes?: number
  /**
   * Bytes written with zeros behind the log's end while there is little to do, so that small rounds sync faster; 0 for none, 128 KiB by default.
   * The active segment's file is longer than the log by as much.
   */
  readonly zeroAheadBytes?: number
  /**
   * Settles when what has already arrived was appended, so that one round takes it all: at the end of a turn of the event loop. By default
   * after what runs now.
   */
  readonly gather?: (() => Promise<void>) | undefined
  /** A part of recovery is done, in this order: the sealed segments are open, the active one is verified and synced. For those who measure. */
  onRecovered?(part: 'sealed' | 'active'): void
  /**
   * Everything below `writtenOffset` is in the file, and its sync begins when what is answered has settled: a crash may take it back, a full disk does
   * not. Called before the `onSynced` of the same round. Must not throw, nor answer what rejects or takes long.
   */
  onWritten?(writtenOffset: Offset): Promise<void> | void
  /** Everything below `syncedOffset` is on disk. Called after each round of the group commit; rises strictly, but for truncations. Must not throw. */
  onSynced(syncedOffset: Offset): void
  /**
   * Settles `ms` milliseconds later. With it the log outlasts a full disk: what was appended waits and is written when there is room. Without
   * it a full disk fails the log.
   */
  readonly pause?: (ms: number) => Promise<void>
  /** The disk is full and the log waits for room, DISK_FULL says so; undefined: it goes on. By turns. Must not throw. */
  onFull?(error: GomqError | undefined): void
  /**
   * A write or sync failed, or the lock was lost: nothing will be synced any more, every call throws the same error. Called once at most.
   * Code DISK_FULL where the disk was full, nobody waits for room any more and the log is whole; STORAGE_FAILED for the rest;
   * DATA_DIR_LOCKED for the lock.
   */
  onFailure(error: GomqError): void
}

/** The options with their defaults, for the parts of the log. @internal */
export interface LogContext {
  readonly fs: FileSystem
  readonly directory: string
  /** Where the segments lie. */
  readonly folder: string
  readonly crc32: Crc32
  readonly storeId: string
  readonly segmentBytes: number
  readonly tailCacheBytes: number
  readonly indexCacheBytes: number
  readonly zeroAheadBytes: number
  readonly gather: () => Promise<void>
  readonly onWritten: (writtenOffset: Offset) => Promise<void> | void
  readonly onSynced: (syncedOffset: Offset) => void
  readonly pause: ((ms: number) => Promise<void>) | undefined
  readonly onFull: (error: GomqError | undefined) => void
  readonly onFailure: (error: GomqError) => void
}

/** Fills the defaults in. @internal */
export function contextOf(options: LogOptions, storeId: string): LogContext {
  const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES_DEFAULT
  invariant(
    segmentBytes >= 1 && segmentBytes <= SEGMENT_BYTES_LIMIT,
    `segmentBytes ${segmentBytes} is outside 1 to ${SEGMENT_BYTES_LIMIT}`,
  )
  return {
    fs: options.fs,
    directory: options.directory,
    folder: `${options.directory}/log`,
    crc32: options.crc32,
    storeId,
    segmentBytes,
    tailCacheBytes: options.tailCacheBytes ?? TAIL_CACHE_BYTES_DEFAULT,
    indexCacheBytes: options.indexCacheBytes ?? INDEX_CACHE_BYTES_DEFAULT,
    zeroAheadBytes: options.zeroAheadBytes ?? ZERO_AHEAD_BYTES_DEFAULT,
    gather: options.gather ?? (() => Promise.resolve()),
    onWritten: (offset) => options.onWritten?.(offset),
    onSynced: (offset) => options.onSynced(offset),
    pause: options.pause,
    onFull: (error) => options.onFull?.(error),
    onFailure: (error) => options.onFailure(error),
  }
}
