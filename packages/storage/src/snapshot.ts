import { type Crc32, concatBytes, type Offset, readU32, writeU32 } from '@gomq/protocol'
import { type FileSystem, readFile } from './file-system.js'
import { decodeSealed, encodeSealed } from './format/sealed-record.js'

const MAGIC = 0x53514d47 // "GMQS"
const END_MAGIC = 0x45514d47 // "GMQE"
const VERSION = 1
const KEPT = 2
/** Time that one slice of the walk may take. */
const SLICE_MS = 1
const FLUSH_BYTES: number = 1024 * 1024

export interface SnapshotLocation {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
}

/**
 * Writes a snapshot. The walk goes on in slices while the state changes under it, so recovery replays from `beginOffset`, the high
 * watermark when the walk began. Two are kept; a crash leaves the older ones whole.
 *
 * @param nowMs  a clock for the slices; without one every 1,000 entries make a slice
 */
export async function writeSnapshot(
  options: SnapshotLocation & {
    beginOffset: Offset
    entries: Iterable<Uint8Array>
    nowMs?: () => number
    pause?: () => Promise<void>
  },
): Promise<void> {
  const { fs, directory, crc32, beginOffset, nowMs } = options
  const pause = options.pause ?? (() => Promise.resolve())
  const folder = `${directory}/snapshots`
  await fs.makeDirectory(folder)
  const temporary = `${folder}/snapshot.tmp`
  const file = await fs.open(temporary, 'create')
  let position = 0
  let count = 0
  try {
    let chunks: Uint8Array[] = [encodeSealed(MAGIC, VERSION, [beginOffset], crc32)]
    let bytes = 0
    let sliceEndMs = (nowMs?.() ?? 0) + SLICE_MS
    const flush = async () => {
      const joined = concatBytes(chunks)
      chunks = []
      bytes = 0
      await file.writev([joined], position)
      position += joined.byteLength
    }
    for (const entry of options.entries) {
      const head = new Uint8Array(8)
      writeU32(head, 0, entry.byteLength)
      writeU32(head, 4, crc32(entry))
      chunks.push(head, entry)
      bytes += entry.byteLength + 8
      count++
      if (bytes >= FLUSH_BYTES) await flush()
      if (nowMs === undefined ? count % 1000 === 0 : nowMs() >= sliceEndMs) {
        await pause()
        sliceEndMs = (nowMs?.() ?? 0) + SLICE_MS
      }
    }
    chunks.push(encodeSealed(END_MAGIC, VERSION, [count], crc32))
    await flush()
    await file.sync()
  } finally {
    await file.close()
  }
  await fs.rename(temporary, `${folder}/${snapshotName(beginOffset)}`)
  await fs.syncDirectory(folder)
  const names = (await fs.list(folder)).filter(isSnapshotName).sort()
  for (const name of names.slice(0, -KEPT)) await fs.remove(`${folder}/${name}`)
}

/** The newest snapshot that is whole; undefined if there is none. */
export async function loadSnapshot(
  location: SnapshotLocation,
): Promise<{ beginOffset: Offset; entries: Uint8Array[] } | undefined> {
  const { fs, directory, crc32 } = location
  const folder = `${directory}/snapshots`
  const names = (await fs.list(folder)).filter(isSnapshotName).sort().reverse()
  for (const name of names) {
    const bytes = await readFile(fs, `${folder}/${name}`)
    const snapshot = bytes && decodeSnapshot(bytes, crc32)
    if (snapshot !== undefined) return snapshot
  }
  return undefined
}

function decodeSnapshot(bytes: Uint8Array, crc32: Crc32): { beginOffset: Offset; entries: Uint8Array[] } | undefined {
  const head = decodeSealed(bytes, MAGIC, VERSION, 'a snapshot', crc32)
  if (head === undefined) return undefined
  const entries: Uint8Array[] = []
  let at = head.bytes
  while (at + 8 <= bytes.byteLength) {
    const end = decodeSealed(bytes.subarray(at), END_MAGIC, VERSION, 'a snapshot', crc32)
    if (end !== undefined)
      return (end.value as [number])[0] === entries.length
        ? { beginOffset: (head.value as [Offset])[0], entries }
        : undefined
    const length = readU32(bytes, at)
    const entry = bytes.subarray(at + 8, at + 8 + length)
    if (entry.byteLength !== length || crc32(entry) !== readU32(bytes, at + 4)) return undefined
    entries.push(entry)
    at += 8 + length
  }
  return undefined
}

function snapshotName(beginOffset: Offset): string {
  return `${String(beginOffset).padStart(20, '0')}.snapshot`
}

function isSnapshotName(name: string): boolean {
  return /^\d{20}\.snapshot$/.test(name)
}
