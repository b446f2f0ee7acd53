import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const BLOCK_BYTES = 64 * 1024

/** A disk of its own size in memory: a mounted tmpfs. It goes with the test. */
export class SmallDisk {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /** A disk of `mib` MiB, or why there can be none here. */
  static mount(mib: number): SmallDisk | string {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root on Linux can mount a small disk'
    const path = mkdtempSync(join(tmpdir(), 'gomq-disk-'))
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', path], {
      encoding: 'utf8',
    })
    if (status === 0) return new SmallDisk(path)
    rmdirSync(path)
    return `a small disk cannot be mounted here: ${stderr?.trim() ?? 'there is no mount'}`
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path)
    return bavail * bsize
  }

  /** Puts a file there that takes `bytes`; all that is free without. {@link release} takes it away. */
  occupy(bytes: number = Number.POSITIVE_INFINITY): void {
    const block = new Uint8Array(BLOCK_BYTES).fill(1)
    try {
      for (let taken = 0; taken < bytes; taken += BLOCK_BYTES) writeFileSync(this.#ballast, block, { flag: 'a' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }

  /** Gives back what {@link occupy} took. */
  release(): void {
    rmSync(this.#ballast, { force: true })
  }

  [Symbol.dispose](): void {
    spawnSync('umount', ['-l', this.path])
    rmSync(this.path, { recursive: true, force: true })
  }

  get #ballast(): string {
    return join(this.path, 'ballast')
  }
}
