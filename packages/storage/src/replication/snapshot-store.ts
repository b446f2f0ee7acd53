import { GomqError, type Offset } from '@gomq/protocol'
import { type FileHandle, isSystemError, replaceFile } from '../file-system.js'
import { orDiskFull } from '../full-disk.js'
import { SNAPSHOT_FLUSH_BYTES } from '../limits.js'
import { folderOf, isSnapshotName, type SnapshotLocation, snapshotName } from '../snapshot.js'
import { SnapshotCheck } from './snapshot-check.js'

/** A snapshot that is open for reading; the file may be removed meanwhile. */
export interface OpenSnapshot {
  readonly beginOffset: Offset
  readonly bytes: number
  /** The bytes from `position` on, at most `length`; fewer only at the end. */
  read(position: number, length: number): Promise<Uint8Array>
  /** Gives the file back. Again: nothing happens. */
  close(): Promise<void>
}

/** The snapshots beside a log, as brokers pass them on. */
export interface SnapshotTransfer {
  /**
   * The newest one that is whole, which is read and verified for it; undefined if there is none.
   * @throws GomqError UNSUPPORTED_FORMAT  another version wrote it
   */
  open(): Promise<OpenSnapshot | undefined>
  /**
   * Puts a received snapshot in its place, and removes all others when it is there, durably. It is verified while it is written; memory is
   * bounded by a chunk. After a rejection those that were there are there. Nobody may write one meanwhile.
   *
   * @throws GomqError CORRUPT_LOG         it is damaged, not whole, or begins elsewhere
   * @throws GomqError UNSUPPORTED_FORMAT  another version wrote it
   * @throws GomqError DISK_FULL           there is no room
   * @throws Error                         of the operating system, or the one of `chunks`
   */
  install(beginOffset: Offset, chunks: AsyncIterable<Uint8Array>): Promise<void>
}

/** The snapshots of a data directory, which the caller has locked by opening the log. */
export function snapshotStore(location: SnapshotLocation): SnapshotTransfer {
  return {
    open: () => openNewest(location),
    install: (beginOffset, chunks) =>
      orDiskFull(
        location.directory,
        'the snapshot that was received is fetched again',
        install(location, beginOffset, chunks),
      ),
  }
}

async function openNewest(location: SnapshotLocation): Promise<OpenSnapshot | undefined> {
  const { fs, directory } = location
  const folder = folderOf(directory)
  for (const name of (await fs.list(folder)).filter(isSnapshotName).sort().reverse()) {
    const opened = await openWhole(location, name)
    if (opened !== undefined) return opened
  }
  return undefined
}

/** Undefined if it is damaged or not there any more. */
async function openWhole({ fs, directory, crc32 }: SnapshotLocation, name: string): Promise<OpenSnapshot | undefined> {
  let file: FileHandle
  try {
    file = await fs.open(`${folderOf(directory)}/${name}`, 'read')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
  let isOpen = true
  const close = async () => {
    if (isOpen) {
      isOpen = false
      await file.close()
    }
  }
  const read = async (position: number, length: number) => {
    const into = new Uint8Array(Math.max(0, Math.min(length, bytes - position)))
    return into.subarray(0, await file.read(into, position))
  }
  let bytes = 0
  try {
    bytes = await file.sizeBytes()
    const check = new SnapshotCheck(crc32)
    for (let at = 0; at < bytes; at += SNAPSHOT_FLUSH_BYTES) if (!check.add(await read(at, SNAPSHOT_FLUSH_BYTES))) break
    const { beginOffset } = check.whole ?? {}
    if (beginOffset !== undefined && snapshotName(beginOffset) === name) return { beginOffset, bytes, read, close }
  } catch (error) {
    await close()
    throw error
  }
  await close()
  return undefined
}

async function install(
  { fs, directory, crc32 }: SnapshotLocation,
  beginOffset: Offset,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const folder = folderOf(directory)
  const mine = snapshotName(beginOffset)
  await fs.makeDirectory(folder)
  await replaceFile(fs, folder, mine, async (file) => {
    const check = new SnapshotCheck(crc32)
    let position = 0
    for await (const chunk of chunks) {
      if (!check.add(chunk)) break
      await file.writev([chunk], position)
      position += chunk.byteLength
    }
    if (check.whole?.beginOffset !== beginOffset)
      throw new GomqError(
        'CORRUPT_LOG',
        `the snapshot that was received for offset ${beginOffset} is damaged or not whole; it is fetched again`,
      )
  })
  for (const name of await fs.list(folder)) if (name !== mine) await fs.remove(`${folder}/${name}`)
  await fs.syncDirectory(folder)
}
