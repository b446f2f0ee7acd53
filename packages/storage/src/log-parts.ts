import type { ColdReads } from './cold-reads.js'
import type { IndexCache } from './index-cache.js'
import type { LogContext } from './log-options.js'
import type { LogReader } from './log-reader.js'
import type { LogState } from './log-state.js'
import type { LogWriter } from './log-writer.js'
import type { SegmentFiles } from './segment-files.js'
import type { TailCache } from './tail-cache.js'

/** The parts of a log that change with its segments. @internal */
export interface LogParts {
  readonly context: LogContext
  readonly state: LogState
  readonly tail: TailCache
  readonly indexes: IndexCache
  readonly files: SegmentFiles
  readonly writer: LogWriter
  readonly coldReads: ColdReads
  readonly reader: LogReader
}
