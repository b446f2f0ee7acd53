import { baseOffsetOf, epochOf, type Random, randomIdentity } from '@gomq/protocol'
import { writeCheckpoint } from '../checkpoint.js'
import { readCleanedHead, scanCleanedSegment } from '../cleaned-segment-file.js'
import { CleanedSegmentWriter } from '../cleaned-segment-writer.js'
import { EpochStarts } from '../epoch-starts.js'
import type { EpochStart } from '../format/epoch-start.js'
import type { SegmentIndex } from '../format/segment-index.js'
import { writeIndex } from '../index-file.js'
import { createSegment } from '../recovery.js'
import { REPLICA_RECORD } from '../replication/replica-record.js'
import { scanSegment } from '../segment-scan.js'
import { copyFile } from './file-copy.js'
import { openWalk } from './open-walk.js'
import { type DecidedRepair, decideRepair, type RepairPlan, type RepairStep } from './repair-plan.js'
import type { SegmentInspection } from './segment-inspection.js'
import { walkSegment } from './segment-walk.js'
import { checkIsDataDirectory, inspectDirectory, type VerifyOptions } from './verification.js'

/**
 * Says what a repair would do and what is lost. Nothing is changed.
 *
 * @throws GomqError CORRUPT_LOG  it cannot be repaired; the message says why and what to do
 * @throws GomqError              as `verifyDirectory`
 */
export function planRepair(options: Omit<VerifyOptions, 'isLive'>): Promise<RepairPlan> {
  return decided(options, async (repair) => repair)
}

/**
 * Repairs a data directory so that a broker starts on it: what is intact stays at its offsets, what is lost becomes a gap. What is damaged is
 * kept in `repaired-<time>` below the directory. Interrupted at any point the log is as damaged as it was, or less, and a repair that is run
 * again ends as this one would.
 *
 *     copy aside, synced -> new checkpoint: new identity, old claims -> segments, the oldest first: new file, then the old one goes
 *     -> snapshots -> indexes
 *
 * @throws GomqError  as {@link planRepair}
 */
export function repairDirectory(
  options: Omit<VerifyOptions, 'isLive'> & { readonly random: Random; readonly nowMs: number },
): Promise<RepairPlan> {
  return decided(options, async (repair) => {
    if (repair.steps.length > 0) await new Repair(options, repair).run()
    return repair
  })
}

async function decided(
  options: Omit<VerifyOptions, 'isLive'>,
  use: (repair: DecidedRepair) => Promise<RepairPlan>,
): Promise<RepairPlan> {
  const { fs, directory } = options
  await checkIsDataDirectory(fs, directory)
  const lock = await fs.lock(directory)
  try {
    return await use(decideRepair(directory, await inspectDirectory(options)))
  } finally {
    await lock.release()
  }
}

class Repair {
  readonly #options: VerifyOptions & { readonly random: Random; readonly nowMs: number }
  readonly #repair: DecidedRepair

  constructor(options: VerifyOptions & { readonly random: Random; readonly nowMs: number }, repair: DecidedRepair) {
    this.#options = options
    this.#repair = repair
  }

  async run(): Promise<void> {
    const { fs, directory, crc32, random } = this.#options
    const { checkpoint, actions } = this.#repair
    await this.#copyAside()
    // The old claims stay until what they are about is there again, so that a start on half a repair is refused.
    if (checkpoint !== undefined) {
      // What this broker has promised to its cluster, another one that has gaps has not.
      await fs.remove(`${directory}/${REPLICA_RECORD}`)
      await writeCheckpoint(fs, directory, { ...checkpoint, storeId: randomIdentity(random).toString(36) }, crc32)
    }
    for (const action of actions) await this.#do(action)
    await fs.syncDirectory(`${directory}/log`)
    if (actions.some(({ kind }) => kind === 'removeSnapshot')) await fs.syncDirectory(`${directory}/snapshots`)
  }

  async #copyAside(): Promise<void> {
    const { fs, directory, crc32, nowMs } = this.#options
    if (this.#repair.aside.length === 0) return
    const folder = `${directory}/repaired-${new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '')}`
    await fs.makeDirectory(folder)
    for (const name of this.#repair.aside)
      await copyFile(fs, `${directory}/${name}`, `${folder}/${name.replace(/^.*\//, '')}`, crc32)
    await fs.syncDirectory(folder)
  }

  async #do(action: RepairStep): Promise<void> {
    const { fs, directory, crc32 } = this.#options
    const folder = `${directory}/log`
    switch (action.kind) {
      case 'rewrite':
        return this.#rewrite(action)
      case 'newActive':
        return (await createSegment(fs, folder, action.offset)).file.close()
      case 'rebuildIndex':
        return writeIndex(fs, folder, await this.#scan(action.segment), crc32)
      case 'removeIndex':
        return fs.remove(action.segment.file.indexPath)
      case 'removeSnapshot':
        return fs.remove(`${directory}/${action.name}`)
    }
  }

  async #rewrite({ segment, endOffset, newActive }: Extract<RepairStep, { kind: 'rewrite' }>): Promise<void> {
    const { fs, directory, crc32 } = this.#options
    const folder = `${directory}/log`
    const { file, place } = segment
    // First: behind a cleaned segment there always is another one.
    if (newActive) await (await createSegment(fs, folder, endOffset)).file.close()
    const range = {
      baseOffset: file.baseOffset,
      endOffset,
      generation: file.generation + 1,
      epochStarts: await this.#epochStarts(segment),
    }
    const writer = await CleanedSegmentWriter.create(fs, folder, range, crc32)
    try {
      await this.#eachBatch(segment, (batch) => writer.add(batch))
      await writer.finish()
    } catch (error) {
      await writer.abandon().catch(() => undefined)
      throw error
    }
    await fs.remove(place.file.indexPath)
    await fs.remove(file.path)
    await fs.syncDirectory(folder)
  }

  /** Every epoch of the segment, of intact batches and of those that head or index still know. */
  async #epochStarts(segment: SegmentInspection): Promise<readonly EpochStart[]> {
    const found = [...segment.epochStarts]
    await this.#eachBatch(segment, async (batch) => {
      const epoch = epochOf(batch)
      if (!found.some((start) => start.epoch === epoch)) found.push({ epoch, startOffset: baseOffsetOf(batch) })
    })
    const epochs = new EpochStarts()
    for (const { epoch, startOffset } of found.sort((a, b) => a.epoch - b.epoch)) epochs.add(epoch, startOffset)
    return epochs.all
  }

  async #eachBatch(segment: SegmentInspection, visit: (batch: Uint8Array) => Promise<void>): Promise<void> {
    const { fs, crc32 } = this.#options
    const walk = await openWalk(fs, crc32, segment.place)
    try {
      for await (const piece of walkSegment(walk)) if (piece.kind === 'batch') await visit(piece.batch)
    } finally {
      await walk.window.file.close()
    }
  }

  async #scan({ file: { path, baseOffset, generation } }: SegmentInspection): Promise<SegmentIndex> {
    const { fs, crc32 } = this.#options
    const file = await fs.open(path, 'read')
    try {
      if (generation === 0) return (await scanSegment(file, baseOffset, crc32)).index
      return await scanCleanedSegment(
        file,
        path,
        await readCleanedHead(file, path, { baseOffset, generation }, crc32),
        crc32,
      )
    } finally {
      await file.close()
    }
  }
}
