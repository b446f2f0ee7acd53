import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** What a process said. */
export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Folder of each published package. */
const FOLDERS = {
  '@gomq/protocol': 'packages/protocol',
  '@gomq/storage': 'packages/storage',
  '@gomq/engine': 'packages/engine',
  '@gomq/cluster': 'packages/cluster',
  '@gomq/client': 'packages/client',
  '@gomq/broker': 'apps/broker',
  gomqctl: 'apps/gomqctl',
} as const

/** Name of a published package. */
export type PackageName = keyof typeof FOLDERS

/** Files in a tarball, by package. */
export interface PackedFiles {
  readonly tarball: string
  readonly paths: readonly string[]
}

/** Runs a program to its end, whatever its exit code. */
export function finish(file: string, args: readonly string[], cwd: string, input = ''): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, { cwd, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(error)
      else resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
    child.stdin?.end(input)
  })
}

/** Packs every published package into `directory`, as `npm publish` would. */
export async function packAll(directory: string): Promise<Map<PackageName, PackedFiles>> {
  const names = Object.keys(FOLDERS) as PackageName[]
  const folders = names.map((name) => `./${FOLDERS[name]}`)
  const { code, stdout, stderr } = await finish(
    'npm',
    ['pack', ...folders, '--json', '--pack-destination', directory, '--ignore-scripts'],
    ROOT,
  )
  if (code !== 0) throw new Error(`npm pack failed:\n${stderr}`)
  const output = JSON.parse(stdout) as unknown
  const packed = (Array.isArray(output) ? output : Object.values(output as object)) as {
    name: PackageName
    filename: string
    files: { path: string }[]
  }[]
  return new Map(
    packed.map(({ name, filename, files }) => [
      name,
      { tarball: join(directory, filename), paths: files.map((file) => file.path) },
    ]),
  )
}

/** An empty project of somebody else, with packed tarballs of ours installed by npm. */
export class PackedProject {
  readonly directory: string

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'gomq-packed-'))
  }

  /** Installs tarballs and their dependencies; what our packages need of each other must be among them. */
  async install(tarballs: readonly string[]): Promise<void> {
    this.write('package.json', JSON.stringify({ name: 'somebody-else', private: true, type: 'module' }))
    const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']
    const { code, stderr } = await finish('npm', ['install', ...flags, ...tarballs], this.directory)
    if (code !== 0) throw new Error(`npm install failed:\n${stderr}`)
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text)
  }

  /** Runs a program in the project. */
  run(file: string, args: readonly string[], input = ''): Promise<Finished> {
    return finish(file, args, this.directory, input)
  }

  /** Compiles `main.ts` with the strictest options and without looking away from declaration files. */
  compile(options: object): Promise<Finished> {
    const compilerOptions = {
      target: 'es2023',
      lib: ['es2023', 'esnext.disposable'],
      module: 'nodenext',
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      noEmit: true,
      ...options,
    }
    this.write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['main.ts'] }))
    return this.run(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.'])
  }

  /** Compiler options that make the types of Node available. */
  get nodeTypes(): object {
    return { types: ['node'], typeRoots: [join(ROOT, 'node_modules', '@types')] }
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}
