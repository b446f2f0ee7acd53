import { type Crc32, concatBytes, GomqError, type Offset, readU32, writeU32 } from '@gomq/protocol'
import { type FileHandle, type FileSystem, readFile, replaceFile } from './file-system.js'
import { encodeSealed, readSealed, valueOfVersion } from './format/sealed-record.js'
import { SNAPSHOT_SLICE_MS, SNAPSHOT_WALK_FLUSH_BYTES, SNAPSHOTS_KEPT } from './limits.js'

/** First bytes of a snapshot, "GMQS". */
export const SNAPSHOT_MAGIC = 0x53514d47
/** First bytes of its end, "GMQE"; no entry is as long as they would say. */
export const SNAPSHOT_END_MAGIC = 0x45514d47
/** Version of both. */
export const SNAPSHOT_VERSION = 1
/** Before each entry: its length and its checksum. */
export const SNAPSHOT_ENTRY_HEAD_BYTES = 8
/** Entries in a slice where there is no clock. */
const SLICE_ENTRIES = 1000

/** Where snapshots lie: in `snapshots` below the data directory. */
export interface SnapshotLocation {
  readonly fs: FileSystem
  /** The data directory, which the caller has locked by opening the log. */
  readonly directory: string
  readonly crc32: Crc32
}

/** What is written into a snapshot. */
export interface SnapshotSource {
  /** High watermark when the walk begins: recovery replays from here. */
  readonly beginOffset: Offset
  /** High watermark when the walk has ended: asked once, after the last entry. The state may hold what happened below it. */
  readonly endOffset: () => Offset
  /** The state, entry by entry; walked in slices while it changes. */
  readonly entries: Iterable<Uint8Array>
  /** A clock for the slices, in ms, with fractions; without one every 1,000 entries make a slice. */
  readonly nowMs?: () => number
  /** Lets others work between two slices; settles when it is our turn again. */
  readonly pause?: () => Promise<void>
}

/** What of the log is there; a `Log` is one. */
export interface StoredRange {
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  /** Control records below may have been cleaned away; 0 by default. */
  readonly snapshotNeededFrom?: Offset
}

/** A snapshot that was read. */
export interface LoadedSnapshot {
  /** Where to replay from. Batches at and above it may be in the entries already: applying them again must change nothing. */
  readonly beginOffset: Offset
  /** The entries hold nothing from here on: the state is that of an offset once the replay has got here. */
  readonly endOffset: Offset
  readonly entries: Uint8Array[]
}

/**
 * Writes a snapshot, one at a time. The walk goes on in slices of 1 ms while the state changes under it, so that an entry may show what
 * happened after `beginOffset`; recovery replays from there, and applying a record again changes nothing. Two are kept. A crash or a
 * rejection leaves the older ones whole.
 *
 *     log:      ....begin.....................end......
 *     walk:         [e0 e1 e2 ... slice by slice]        each entry as of some moment in between
 *
 * @throws Error  of the operating system; the snapshot is not there
 */
export async function writeSnapshot(options: SnapshotLocation & SnapshotSource): Promise<void> {
  const { fs, directory, beginOffset } = options
  const folder = folderOf(directory)
  await fs.makeDirectory(folder)
  const mine = snapshotName(beginOffset)
  await replaceFile(fs, folder, mine, (file) => writeEntries(file, options))
  const older = (await fs.list(folder)).filter((name) => isSnapshotName(name) && name < mine).sort()
  for (const name of older.slice(0, -(SNAPSHOTS_KEPT - 1))) await fs.remove(`${folder}/${name}`)
}

/**
 * Reads the newest snapshot that is whole and fits the log; undefined if there is none and the log begins at 0, so that replaying all of it
 * gives the state.
 *
 * One that is damaged, or that does not fit, is renamed to `<name>.rejected` and the next older one is taken. A snapshot does not fit if the
 * log ends before the snapshot's end (the log was cut by hand after damage: the snapshot knows what no longer happened), or begins
 * behind the snapshot's begin (the records between are gone), or control records behind its begin were cleaned away.
 *
 * @param options.log         what the log holds, `logStartOffset` to `logEndOffset`, control records from `snapshotNeededFrom` on for sure
 * @param options.onRejected  told of each snapshot that was put aside
 * @param options.isFilling   the log is being filled by another broker: there is no state yet, no snapshot is looked at, nothing is refused
 * @throws GomqError CORRUPT_LOG         the log does not begin at 0, or was cleaned, and no snapshot fits it
 * @throws GomqError UNSUPPORTED_FORMAT  another version wrote it
 */
export async function loadSnapshot(
  options: SnapshotLocation & {
    readonly log: StoredRange
    readonly onRejected?: (path: string, reason: string) => void
    readonly isFilling?: boolean
  },
): Promise<LoadedSnapshot | undefined> {
  const { fs, directory, crc32, log } = options
  const folder = folderOf(directory)
  const all = await fs.list(folder)
  for (const name of all) if (name.endsWith('.tmp')) await fs.remove(`${folder}/${name}`)
  // What was installed reaches further than the log does so far.
  if (options.isFilling === true) return undefined
  for (const name of all.filter(isSnapshotName).sort().reverse()) {
    const path = `${folder}/${name}`
    const bytes = await readFile(fs, path)
    if (bytes === undefined) continue
    const snapshot = decodeSnapshot(bytes, crc32)
    const reason = snapshot === undefined ? 'it is damaged' : misfit(snapshot, name, log)
    if (snapshot !== undefined && reason === undefined) return snapshot
    // Out of the way for good: were it only skipped, it would seem to fit again when the log has grown.
    await fs.rename(path, `${path}.rejected`)
    await fs.syncDirectory(folder)
    options.onRejected?.(path, reason!)
  }
  const { logStartOffset, snapshotNeededFrom = 0 } = log
  if (logStartOffset > 0 || snapshotNeededFrom > 0) {
    const what =
      snapshotNeededFrom > logStartOffset
        ? `control records of the log were cleaned away up to offset ${snapshotNeededFrom}`
        : `the log begins at offset ${logStartOffset}`
    throw new GomqError(
      'CORRUPT_LOG',
      `${what} and no snapshot in ${folder} holds the state at that point or later; restore the snapshots, or the whole data directory, from a backup`,
    )
  }
  return undefined
}

/** The snapshots on disk, oldest first; whether they are whole is not looked at. */
export async function keptSnapshots(
  fs: FileSystem,
  directory: string,
): Promise<{ readonly beginOffset: Offset; readonly bytes: number }[]> {
  const folder = folderOf(directory)
  const kept: { beginOffset: Offset; bytes: number }[] = []
  for (const name of (await fs.list(folder)).filter(isSnapshotName).sort()) {
    const file = await fs.open(`${folder}/${name}`, 'read')
    try {
      kept.push({ beginOffset: Number.parseInt(name, 10) as Offset, bytes: await file.sizeBytes() })
    } finally {
      await file.close()
    }
  }
  return kept
}

/**
 * Why a snapshot cannot be used with this log, and whether it is because its bytes are damaged; no reason if it can be used. `endOffset` is
 * where its log must reach; undefined for a damaged one.
 * @throws GomqError UNSUPPORTED_FORMAT  another version wrote it
 * @internal
 */
export function inspectSnapshot(
  bytes: Uint8Array,
  name: string,
  log: StoredRange,
  crc32: Crc32,
): { reason: string | undefined; isDamaged: boolean; endOffset: Offset | undefined } {
  const snapshot = decodeSnapshot(bytes, crc32)
  if (snapshot === undefined) return { reason: 'it is damaged', isDamaged: true, endOffset: undefined }
  return { reason: misfit(snapshot, name, log), isDamaged: false, endOffset: snapshot.endOffset }
}

async function writeEntries(file: FileHandle, source: SnapshotLocation & SnapshotSource): Promise<void> {
  const { crc32, beginOffset, nowMs } = source
  const pause = source.pause ?? (() => Promise.resolve())
  let position = 0
  let chunks: Uint8Array[] = [encodeSealed(SNAPSHOT_MAGIC, SNAPSHOT_VERSION, [beginOffset], crc32)]
  let bytes = 0
  let count = 0
  let sliceEndMs = (nowMs?.() ?? 0) + SNAPSHOT_SLICE_MS
  const flush = async () => {
    const joined = concatBytes(chunks)
    chunks = []
    bytes = 0
    await file.writev([joined], position)
    position += joined.byteLength
  }
  for (const entry of source.entries) {
    const head = new Uint8Array(SNAPSHOT_ENTRY_HEAD_BYTES)
    writeU32(head, 0, entry.byteLength)
    writeU32(head, 4, crc32(entry))
    chunks.push(head, entry)
    bytes += entry.byteLength + SNAPSHOT_ENTRY_HEAD_BYTES
    count++
    if (bytes >= SNAPSHOT_WALK_FLUSH_BYTES) await flush()
    if (nowMs === undefined ? count % SLICE_ENTRIES === 0 : nowMs() >= sliceEndMs) {
      await pause()
      sliceEndMs = (nowMs?.() ?? 0) + SNAPSHOT_SLICE_MS
    }
  }
  chunks.push(encodeSealed(SNAPSHOT_END_MAGIC, SNAPSHOT_VERSION, [count, source.endOffset()], crc32))
  await flush()
}

function decodeSnapshot(bytes: Uint8Array, crc32: Crc32): LoadedSnapshot | undefined {
  const head = readSealed(bytes, SNAPSHOT_MAGIC, crc32)
  if (head === undefined) return undefined
  const [beginOffset] = valueOfVersion(head, SNAPSHOT_VERSION, 'a snapshot') as [Offset]
  const entries: Uint8Array[] = []
  for (let at = head.bytes; at + SNAPSHOT_ENTRY_HEAD_BYTES <= bytes.byteLength; ) {
    // No entry is as long as the end's magic would say.
    const end = readSealed(bytes.subarray(at), SNAPSHOT_END_MAGIC, crc32)
    if (end !== undefined) {
      const [count, endOffset] = valueOfVersion(end, SNAPSHOT_VERSION, 'a snapshot') as [number, Offset]
      const isWhole = count === entries.length && at + end.bytes === bytes.byteLength
      return isWhole ? { beginOffset, endOffset, entries } : undefined
    }
    const entry = bytes.subarray(at + SNAPSHOT_ENTRY_HEAD_BYTES, at + SNAPSHOT_ENTRY_HEAD_BYTES + readU32(bytes, at))
    if (entry.byteLength !== readU32(bytes, at) || crc32(entry) !== readU32(bytes, at + 4)) return undefined
    entries.push(entry)
    at += SNAPSHOT_ENTRY_HEAD_BYTES + entry.byteLength
  }
  return undefined
}

/** Why the snapshot cannot be used with this log; undefined if it can. */
function misfit(
  { beginOffset, endOffset }: { beginOffset: Offset; endOffset: Offset },
  name: string,
  { logStartOffset, logEndOffset, snapshotNeededFrom = 0 as Offset }: StoredRange,
): string | undefined {
  if (snapshotName(beginOffset) !== name) return `it begins at offset ${beginOffset}, which is not its name`
  if (endOffset > logEndOffset) return `it ends at offset ${endOffset} and the log at ${logEndOffset}`
  if (beginOffset < logStartOffset) return `it begins at offset ${beginOffset} and the log at ${logStartOffset}`
  if (beginOffset < snapshotNeededFrom)
    return `it begins at offset ${beginOffset} and control records were cleaned away up to ${snapshotNeededFrom}`
  return undefined
}

/** Where the snapshots of a data directory lie. */
export function folderOf(directory: string): string {
  return `${directory}/snapshots`
}

/** Name of the snapshot that begins at `beginOffset`. */
export function snapshotName(beginOffset: Offset): string {
  return `${String(beginOffset).padStart(20, '0')}.snapshot`
}

/** Whether a file of that folder is a snapshot. */
export function isSnapshotName(name: string): boolean {
  return /^\d{20}\.snapshot$/.test(name)
}
