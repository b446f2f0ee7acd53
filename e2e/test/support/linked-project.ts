import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** What a reader of the documentation installs, and what stands for it here. */
const INSTALLED = {
  '@gomq/broker': 'apps/broker',
  '@gomq/client': 'packages/client',
  '@gomq/engine': 'packages/engine',
  '@gomq/cluster': 'packages/cluster',
  '@gomq/protocol': 'packages/protocol',
  '@gomq/storage': 'packages/storage',
  gomqctl: 'apps/gomqctl',
  '@types/node': 'node_modules/@types/node',
}

/** A project of somebody else in which our built packages are installed, as links. It goes when the test ends. */
export class LinkedProject {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'gomq-docs-'))
  /** Where the program `gomqctl` is. */
  readonly bin: string = join(this.directory, 'node_modules', '.bin')

  constructor() {
    const modules = join(this.directory, 'node_modules')
    for (const folder of ['@gomq', '@types', '.bin']) mkdirSync(join(modules, folder), { recursive: true })
    for (const [name, folder] of Object.entries(INSTALLED)) symlinkSync(join(ROOT, folder), join(modules, name))
    symlinkSync(join(ROOT, 'apps/gomqctl/bin/gomqctl.js'), join(this.bin, 'gomqctl'))
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}
