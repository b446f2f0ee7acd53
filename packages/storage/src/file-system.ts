import type { GomqError } from '@gomq/protocol'

/**
 * The files that storage needs, as a port: `@gomq/storage/node` works on the real disk, `SimDisk` of `@gomq/storage/testing` loses what was
 * not synced. Both pass one compliance suite. Paths use `/`; errors are those of the operating system, with its `code` (`ENOENT`,
 * `ENOSPC`, `EIO`).
 */
export interface FileSystem {
  /**
   * Opens a file: `read` an existing one for reading only, `write` an existing one for both, `create` a new or emptied one for both.
   * @throws ENOENT  `read` or `write` of a file that is not there
   */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<FileHandle>
  /** Renames over what is there, in one directory; open handles stay with their file. Survives a crash once the directory is synced. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file; nothing happens if there is none. Open handles go on. Survives a crash once the directory is synced. */
  remove(path: string): Promise<void>
  /** Names in a directory, in no order; empty if there is none. */
  list(directory: string): Promise<string[]>
  /** Makes a directory and those above it, so that they survive a crash; nothing happens if it is there. */
  makeDirectory(directory: string): Promise<void>
  /** Makes creations, renames and removals in the directory survive a crash. */
  syncDirectory(directory: string): Promise<void>
  /**
   * Bytes that this process may still write on the disk of `directory`; `Infinity` where nothing bounds it. Others may write too: an answer
   * holds for the moment.
   * @throws ENOENT  the directory is not there
   */
  freeBytes(directory: string): Promise<number>
  /**
   * Locks a directory, which is made if it is not there, until release or until this process ends.
   *
   * @param onLost  called at most once, if the lock was taken away: whoever works under it must stop at once
   * @throws GomqError DATA_DIR_LOCKED  somebody else, or this process, holds it
   */
  lock(directory: string, onLost?: (error: GomqError) => void): Promise<DirectoryLock>
}

/** An open file. Calls may overlap; their order is then not defined. */
export interface FileHandle {
  /** Fills `into` from `position` and returns the bytes read; fewer only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  /**
   * Writes all chunks, one behind the other, from `position` on. A gap before `position` reads as zeros. After a rejection any part of them
   * may be there.
   *
   * @throws ENOSPC or EDQUOT  the disk is full, or the quota
   * @throws EBADF   the file was opened for reading
   */
  writev(chunks: readonly Uint8Array[], position: number): Promise<void>
  /** Makes content and size survive a crash (`fdatasync`). After a rejection nothing about what was written since the last sync is known. */
  sync(): Promise<void>
  /** Cuts or extends (with zeros) the file to `bytes`. @throws EBADF or EINVAL  the file was opened for reading */
  truncate(bytes: number): Promise<void>
  /** Bytes of the file as they are seen now. */
  sizeBytes(): Promise<number>
  /** Gives the descriptor back, after the calls under way. The handle is of no use any more. */
  close(): Promise<void>
}

/** The lock of a directory. */
export interface DirectoryLock {
  /**
   * Undefined as long as nobody can have taken the lock away. When this process has stood still for so long that somebody may have, settles as soon as it is
   * known; `onLost` was called before if it is so. Cheap.
   */
  confirm(): Promise<void> | undefined
  /** Lets the next one in. Again: nothing happens. */
  release(): Promise<void>
}

/** Whether `error` is the operating system's with this code. */
export function isSystemError(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code
}

/** Reads a file from its start, at most `bytesMax`; undefined if there is none. */
export async function readFile(
  fs: FileSystem,
  path: string,
  bytesMax: number = Number.POSITIVE_INFINITY,
): Promise<Uint8Array | undefined> {
  let file: FileHandle
  try {
    file = await fs.open(path, 'read')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
  try {
    const bytes = new Uint8Array(Math.min(bytesMax, await file.sizeBytes()))
    const count = await file.read(bytes, 0)
    return bytes.subarray(0, count)
  } finally {
    await file.close()
  }
}

/**
 * Replaces a file as a whole: written beside it as `<name>.tmp`, synced, renamed, the directory synced. After a crash the old or the new one
 * is there, and perhaps the temporary one; after a rejection the old one is.
 */
export async function replaceFile(
  fs: FileSystem,
  directory: string,
  name: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = `${directory}/${name}.tmp`
  try {
    const file = await fs.open(temporary, 'create')
    try {
      await write(file)
      await file.sync()
    } finally {
      await file.close()
    }
    await fs.rename(temporary, `${directory}/${name}`)
  } catch (error) {
    // On a full disk the half-written file would keep the space that is missing.
    await fs.remove(temporary).catch(() => undefined)
    throw error
  }
  await fs.syncDirectory(directory)
}
