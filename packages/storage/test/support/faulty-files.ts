import type { FileHandle, FileSystem } from '../../src/file-system.js'

/** The same file system, except that `before` is asked about each call, with its arguments, and may throw in its place, or hold it up. */
export function faultyFiles(
  fs: FileSystem,
  before: (call: keyof FileHandle | 'open', path: string, args: readonly unknown[]) => void | Promise<void>,
): FileSystem {
  return {
    open: async (path, mode) => {
      await before('open', path, [mode])
      const file = await fs.open(path, mode)
      const asked =
        <A extends unknown[], R>(call: keyof FileHandle, run: (...args: A) => Promise<R>) =>
        async (...args: A): Promise<R> => {
          await before(call, path, args)
          return run(...args)
        }
      return {
        read: asked('read', (into: Uint8Array, position: number) => file.read(into, position)),
        writev: asked('writev', (chunks: readonly Uint8Array[], position: number) => file.writev(chunks, position)),
        sync: asked('sync', () => file.sync()),
        truncate: asked('truncate', (bytes: number) => file.truncate(bytes)),
        sizeBytes: () => file.sizeBytes(),
        close: () => file.close(),
      }
    },
    rename: (from, to) => fs.rename(from, to),
    remove: (path) => fs.remove(path),
    list: (directory) => fs.list(directory),
    makeDirectory: (directory) => fs.makeDirectory(directory),
    syncDirectory: (directory) => fs.syncDirectory(directory),
    freeBytes: (directory) => fs.freeBytes(directory),
    lock: (directory, onLost) => fs.lock(directory, onLost),
  }
}

/** An error as the operating system would throw it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}
