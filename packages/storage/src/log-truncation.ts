import { invariant, type Offset } from '@gomq/protocol'
import type { IndexCache } from './index-cache.js'
import type { LogContext } from './log-options.js'
import type { LogState } from './log-state.js'
import type { LogWriter } from './log-writer.js'
import { indexName } from './segment.js'
import type { SegmentFiles } from './segment-files.js'
import type { TailCache } from './tail-cache.js'

/** The parts of a log that a truncation changes. @internal */
export interface TruncatedParts {
  readonly context: LogContext
  readonly state: LogState
  readonly tail: TailCache
  readonly indexes: IndexCache
  readonly files: SegmentFiles
  readonly writer: LogWriter
}

/**
 * Cuts the synced part of the log at `to`, where a batch begins. Nobody writes and nobody reads meanwhile.
 *
 * A crash between any two steps leaves a log that starts: the checkpoint stops promising first, segments go from the last one on, each for
 * good before the next, an index goes before what it describes changes.
 */
export async function truncateLog(parts: TruncatedParts, to: Offset): Promise<void> {
  const { context, state, tail, indexes, writer } = parts
  const { fs, folder } = context
  await checkBoundary(parts, to)
  await writer.checkpoint(to)
  const wasActive = state.active
  while (state.segments.length > 1 && state.active.baseOffset >= to) await dropLast(parts)
  const { active } = state
  const index = await indexes.get(active)
  indexes.forget(active)
  if (active !== wasActive) await writer.reopen(active.path)
  await fs.remove(`${folder}/${indexName(active.baseOffset)}`)
  await fs.syncDirectory(folder)
  index.truncate(to)
  await writer.cut(index.bytes)
  tail.truncate(to)
  state.handleTruncated(to)
}

/** Before anything is changed: a cut inside a batch is a bug. */
async function checkBoundary(parts: TruncatedParts, to: Offset): Promise<void> {
  const index = await parts.indexes.get(parts.state.segmentFor(to))
  invariant(index.offsetAt(index.entryFor(to)) === to, `offset ${to} is inside a batch`)
}

async function dropLast({ context, state, indexes, files }: TruncatedParts): Promise<void> {
  const { fs, folder } = context
  const gone = state.active
  await files.forget(gone.path)
  await fs.remove(`${folder}/${indexName(gone.baseOffset)}`)
  await fs.remove(gone.path)
  await fs.syncDirectory(folder)
  indexes.forget(gone)
  state.segments.pop()
}
