import { spawnSync } from 'node:child_process'
import { createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { AUDITED_CALLS, SyncAudit } from './sync-audit.js'

/** Why nothing can be traced here; undefined: it can. */
export const straceMissing: string | undefined = missing()

/** A run of the broker under strace, whose trace is audited when it has ended. */
export class TracedRun {
  readonly #directory = mkdtempSync(join(tmpdir(), 'gomq-strace-'))
  /** For `under` of a broker process. */
  readonly command: readonly string[]

  /** @param injection  what strace does to the calls, for its `-e` */
  constructor(injection?: string) {
    const inject = injection === undefined ? [] : ['-e', `inject=${injection}`]
    const output = ['-f', '-y', '-ttt', '-s', '1048576', '-o', this.#file]
    this.command = ['strace', ...output, '-e', `trace=${AUDITED_CALLS}`, ...inject]
  }

  /** Reads the trace. The broker has ended. */
  async audit(): Promise<SyncAudit> {
    const audit = new SyncAudit()
    for await (const line of createInterface({ input: createReadStream(this.#file) })) audit.line(line)
    return audit
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }

  get #file(): string {
    return join(this.#directory, 'trace')
  }
}

function missing(): string | undefined {
  const { error, status, stderr } = spawnSync('strace', ['-f', '-e', 'trace=none', process.execPath, '-e', ''], {
    encoding: 'utf8',
  })
  if (error !== undefined) return 'strace is not installed (package strace)'
  return status === 0 ? undefined : `strace cannot trace here: ${stderr.trim().split('\n').at(-1)}`
}
