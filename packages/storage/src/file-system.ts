/**
 * The files that storage needs, as a port: the node version works on the real disk, the testing one loses what was not synced. Paths use `/`.
 * Errors are those of the operating system, with its `code` (`ENOENT`, `ENOSPC`, `EIO`).
 */
export interface FileSystem {
  /** Opens a file: `read` an existing one, `write` an existing one for both, `create` a new or emptied one for both. */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<FileHandle>
  /** Renames over what is there; safe after a crash once the directory is synced. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file; nothing happens if there is none. */
  remove(path: string): Promise<void>
  /** Names in a directory, in no order; empty if there is none. */
  list(directory: string): Promise<string[]>
  /** Makes a directory and those above it. */
  makeDirectory(directory: string): Promise<void>
  /** Makes creations, renames and removals in the directory survive a crash. */
  syncDirectory(directory: string): Promise<void>
  /** Locks a directory against other processes until release, or until this process ends. @throws GomqError DATA_DIR_LOCKED */
  lock(directory: string): Promise<DirectoryLock>
}

/** An open file. */
export interface FileHandle {
  /** Fills `into` from `position` and returns the bytes read; fewer only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Writes all chunks at `position`, or rejects. */
  writev(chunks: readonly Uint8Array[], position: number): Promise<void>
  /** Makes what was written survive a crash (`fdatasync`). After a rejection nothing about the file is known. */
  sync(): Promise<void>
  truncate(bytes: number): Promise<void>
  sizeBytes(): Promise<number>
  close(): Promise<void>
}

export interface DirectoryLock {
  release(): Promise<void>
}

/** Reads a whole file; undefined if there is none. */
export async function readFile(fs: FileSystem, path: string): Promise<Uint8Array | undefined> {
  let file: FileHandle
  try {
    file = await fs.open(path, 'read')
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const bytes = new Uint8Array(await file.sizeBytes())
    const count = await file.read(bytes, 0)
    return bytes.subarray(0, count)
  } finally {
    await file.close()
  }
}

/** Replaces a file as a whole: after a crash the old or the new one is there. */
export async function replaceFile(
  fs: FileSystem,
  directory: string,
  name: string,
  chunks: readonly Uint8Array[],
): Promise<void> {
  const temporary = `${directory}/${name}.tmp`
  const file = await fs.open(temporary, 'create')
  try {
    await file.writev(chunks, 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await fs.rename(temporary, `${directory}/${name}`)
  await fs.syncDirectory(directory)
}
