import { invariant, type Offset } from '@gomq/protocol'
import type { LogParts } from './log-parts.js'
import { indexName, type Segment } from './segment.js'

/**
 * Cuts the synced part of the log at `to`, where a batch begins. Nobody writes and nobody reads meanwhile. One change of the log's segments
 * at a time.
 *
 * A crash between any two steps leaves a log that starts: the checkpoint stops promising first, segments go from the last one on, each for
 * good before the next, an index goes before what it describes changes.
 */
export async function truncateLog(parts: LogParts, to: Offset): Promise<void> {
  const { context, state, tail, indexes, writer } = parts
  const { fs, folder } = context
  await checkBoundary(parts, to)
  // An index that is being written is taken as it is then.
  await writer.indexWrites
  await writer.checkpoint({ syncedOffset: to })
  const wasActive = state.active
  while (state.active.baseOffset > to || (state.active.baseOffset === to && isAppendable(state.segments.at(-2))))
    await dropLast(parts)
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

/** Before anything is changed: a cut inside a batch is a bug, and so is one below what was cleaned, which had been committed. */
async function checkBoundary(parts: LogParts, to: Offset): Promise<void> {
  const cleaned = parts.state.segments.findLast((segment) => segment.generation > 0)
  invariant(
    cleaned === undefined || cleaned.endOffset <= to,
    `offset ${to} is below what was cleaned, to ${cleaned?.endOffset}`,
  )
  const index = await parts.indexes.get(parts.state.segmentFor(to))
  invariant(index.offsetAt(index.entryFor(to)) === to, `offset ${to} is inside a batch`)
}

/** Whether what comes next can be appended to the segment. A cleaned one never grows again: behind it stays an empty one. */
function isAppendable(segment: Segment | undefined): boolean {
  return segment !== undefined && segment.generation === 0
}

async function dropLast({ context, state, indexes, files }: LogParts): Promise<void> {
  const { fs, folder } = context
  const gone = state.active
  await files.forget(gone.path)
  await fs.remove(`${folder}/${indexName(gone.baseOffset)}`)
  await fs.remove(gone.path)
  await fs.syncDirectory(folder)
  indexes.forget(gone)
  state.handleLastDropped()
}
