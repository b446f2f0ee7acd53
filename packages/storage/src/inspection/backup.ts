import { type Crc32, GomqError, type Offset, type Random, randomIdentity } from '@gomq/protocol'
import { type Checkpoint, readCheckpoint, writeCheckpoint } from '../checkpoint.js'
import { type FileSystem, readFile } from '../file-system.js'
import { SegmentIndex } from '../format/segment-index.js'
import { readReplicaRecord } from '../replication/replica-record.js'
import { inspectSnapshot } from '../snapshot.js'
import { type BackupFile, type BackupManifest, writeManifest } from './backup-manifest.js'
import { type CopiedSegment, copySegment } from './backup-segment.js'
import { type DataFiles, listDataFiles, type SegmentFile, unlessGone } from './data-files.js'
import { createFile, sumFile } from './file-copy.js'
import type { OnProgress } from './finding.js'
import { placeSegments, type SegmentPlace } from './segment-places.js'
import { checkIsDataDirectory } from './verification.js'

/** How often a backup begins again with what has changed under it. Each time a segment must have been cleaned meanwhile. */
const ATTEMPTS = 20

/** What is backed up and where to. */
export interface BackupOptions {
  readonly fs: FileSystem
  /** The data directory; the broker may go on with its work. */
  readonly directory: string
  /** A directory that is not there, or is empty. */
  readonly target: string
  readonly crc32: Crc32
  readonly random: Random
  readonly nowMs: number
  readonly onProgress?: OnProgress
}

/**
 * Copies a log while it is written: everything that was acknowledged before the call, and perhaps more, up to some batch. Every batch is
 * verified on the way. The copy is a data directory with an identity of its own and a manifest, which is written last.
 *
 *     snapshots first      then segments, the oldest first          then the checkpoint, at last the manifest
 *     [70,000) [140,000)   [0..) [81,920..) ... active, up to its last whole batch
 *
 * What a snapshot knows is in the log that is copied after it. Segments may be replaced by cleaned ones and the log's start may move
 * meanwhile; then what has changed is copied again.
 *
 * @throws GomqError INVALID_ARGUMENT  there is no data directory, the target is not empty, or a cluster is filling the log
 * @throws GomqError CORRUPT_LOG       a batch is damaged; nothing that could be taken for a backup is left
 */
export async function backUp(options: BackupOptions): Promise<BackupManifest> {
  const { fs, directory, target, crc32, random, nowMs } = options
  await checkIsDataDirectory(fs, directory)
  await checkIsEmpty(fs, target)
  const before = await readCheckpoint(fs, directory, crc32)
  if (before?.isEmptying === true || (await readReplicaRecord(fs, directory, crc32))?.isFilling === true)
    throw new GomqError(
      'INVALID_ARGUMENT',
      `the log in ${directory} is being filled by the others of its cluster and holds no state yet; back up one of them, or wait`,
    )
  for (const folder of [target, `${target}/log`, `${target}/snapshots`]) await fs.makeDirectory(folder)
  const storeId = randomIdentity(random).toString(36)
  const copy = new Copy(options, before?.syncedOffset ?? (0 as Offset))
  // A broker that is started on an interrupted backup finds that something is missing.
  await writeCheckpoint(fs, target, { ...(before ?? NOTHING), storeId }, crc32)
  for (let attempt = 1; !(await copy.bringUpToDate()); attempt++)
    if (attempt === ATTEMPTS)
      throw new GomqError(
        'STORAGE_FAILED',
        `the log in ${directory} changed ${ATTEMPTS} times while it was copied; try again when the cleaner has less to do`,
      )
  const { logStartOffset, logEndOffset, epoch } = copy
  await writeCheckpoint(
    fs,
    target,
    { ...(copy.checkpoint ?? NOTHING), storeId, syncedOffset: logEndOffset, epoch, logStartOffset },
    crc32,
  )
  const files = [
    ...(await copy.finish()),
    { name: 'checkpoint', ...(await sumFile(fs, `${target}/checkpoint`, crc32)) },
  ]
  const manifest: BackupManifest = {
    storeId: before?.storeId ?? '',
    createdAtMs: nowMs,
    logStartOffset,
    logEndOffset,
    files,
  }
  await writeManifest(fs, target, manifest, crc32)
  return manifest
}

/** @throws GomqError INVALID_ARGUMENT  there is something in the directory */
export async function checkIsEmpty(fs: FileSystem, directory: string): Promise<void> {
  if ((await fs.list(directory)).length > 0)
    throw new GomqError('INVALID_ARGUMENT', `${directory} is not empty; name a new directory`)
}

const NOTHING: Checkpoint = {
  storeId: '',
  syncedOffset: 0 as Offset,
  epoch: 0 as Checkpoint['epoch'],
  logStartOffset: 0 as Offset,
}

/** The copy as far as it has come, and what of the log it was made from. */
class Copy {
  readonly #options: BackupOptions
  readonly #syncedOffset: Offset
  /** By name below the directory. Sealed segments stay as they are; the active one is copied anew. */
  readonly #files = new Map<string, BackupFile>()
  readonly #segments = new Map<string, CopiedSegment>()
  #current: readonly CopiedSegment[] = []
  #doneBytes = 0
  checkpoint: Checkpoint | undefined

  constructor(options: BackupOptions, syncedOffset: Offset) {
    this.#options = options
    this.#syncedOffset = syncedOffset
  }

  get logStartOffset(): Offset {
    return this.#current[0]!.baseOffset
  }
  get logEndOffset(): Offset {
    return this.#current.at(-1)!.endOffset
  }
  get epoch(): Checkpoint['epoch'] {
    return this.#current.reduce((epoch, segment) => Math.max(epoch, segment.epoch), 0) as Checkpoint['epoch']
  }

  /** Copies what is not copied yet; false if the log has changed meanwhile in a way that what is there does not fit together. */
  async bringUpToDate(): Promise<boolean> {
    const { fs, directory, crc32 } = this.#options
    const begins = await this.#copySnapshots(await listDataFiles(fs, directory))
    const checkpoint = await readCheckpoint(fs, directory, crc32)
    const listed = await listDataFiles(fs, directory)
    if (listed.segments.length === 0) return false
    const { places, totalBytes } = await placeSegments({ fs, files: listed, checkpoint, crc32 })
    this.#current = []
    const current: CopiedSegment[] = []
    this.#doneBytes = 0
    for (const place of places) {
      const { file, isActive } = place
      const known = isActive ? undefined : this.#segments.get(file.name)
      const copied = known ?? (await this.#copySegment(listed, place, totalBytes))
      if (copied === undefined) return false
      const before = current.at(-1)
      if (before !== undefined && before.endOffset !== copied.baseOffset) return false
      current.push(copied)
      this.#files.set(file.name, { name: file.name, ...copied.sum })
      if (isActive) continue
      this.#segments.set(file.name, copied)
      if (known === undefined) await this.#copyIndex(file, copied)
    }
    this.#current = current
    this.checkpoint = await readCheckpoint(fs, directory, crc32)
    return this.#isComplete(begins)
  }

  /** Copies a segment; undefined if it is not there any more, or others are: then what seemed to be damage may be none. */
  async #copySegment(listed: DataFiles, place: SegmentPlace, totalBytes: number): Promise<CopiedSegment | undefined> {
    const { fs, directory, onProgress } = this.#options
    const onBytes = (bytes: number) => {
      this.#doneBytes += bytes
      onProgress?.(Math.min(this.#doneBytes, totalBytes), totalBytes)
    }
    try {
      return await unlessGone(() => copySegment(this.#options, place, this.#syncedOffset, onBytes))
    } catch (error) {
      if (!(error instanceof GomqError)) throw error
      const namesOf = ({ segments }: DataFiles) => segments.map(({ name }) => name).join()
      if (namesOf(await listDataFiles(fs, directory)) === namesOf(listed)) throw error
      return undefined
    }
  }

  /** Removes what an earlier attempt left, syncs the folders, and says which files the copy has. */
  async finish(): Promise<BackupFile[]> {
    const { fs, target } = this.#options
    const kept = new Set(this.#current.flatMap(({ name }) => [name, name.replace(/\.log$/, '.index')]))
    for (const name of this.#files.keys())
      if (name.startsWith('log/') && !kept.has(name)) {
        await fs.remove(`${target}/${name}`)
        this.#files.delete(name)
      }
    for (const folder of ['log', 'snapshots']) await fs.syncDirectory(`${target}/${folder}`)
    return [...this.#files.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Whether some snapshot of the copy gives the state at the place from where on the copied segments have everything. */
  #isComplete(begins: readonly Offset[]): boolean {
    const neededFrom = Math.max(this.logStartOffset, this.checkpoint?.snapshotNeededFrom ?? 0)
    return neededFrom === 0 || begins.some((begin) => begin >= neededFrom)
  }

  /** Copies the snapshots that are whole; where those begin that are in the copy. */
  async #copySnapshots({ snapshots }: DataFiles): Promise<Offset[]> {
    const { fs, crc32, target } = this.#options
    const begins: Offset[] = []
    const whole = { logStartOffset: 0 as Offset, logEndOffset: Number.POSITIVE_INFINITY as Offset }
    for (const { name, path, beginOffset } of snapshots) {
      if (!this.#files.has(name)) {
        const bytes = await unlessGone(() => readFile(fs, path))
        if (bytes === undefined) continue
        if (inspectSnapshot(bytes, name.slice('snapshots/'.length), whole, crc32).reason !== undefined) continue
        this.#files.set(name, {
          name,
          ...(await createFile(fs, `${target}/${name}`, crc32, (writer) => writer.add(bytes))),
        })
      }
      begins.push(beginOffset)
    }
    return begins
  }

  /** An index spares the first start a scan; one that is missing or does not fit is made anew there. */
  async #copyIndex({ indexPath, name }: SegmentFile, copied: CopiedSegment): Promise<void> {
    const { fs, crc32, target } = this.#options
    const bytes = await readFile(fs, indexPath)
    const index = bytes && SegmentIndex.decode(bytes, crc32)
    if (index === undefined || index.endOffset !== copied.endOffset || index.bytes !== copied.sum.bytes) return
    const indexName = name.replace(/\.log$/, '.index')
    this.#files.set(indexName, {
      name: indexName,
      ...(await createFile(fs, `${target}/${indexName}`, crc32, (writer) => writer.add(bytes!))),
    })
  }
}
