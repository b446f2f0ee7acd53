import { execFileSync } from 'node:child_process'
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { median } from './statistics.js'

/** Where a result was measured: figures of two machines do not compare, ratios within one run do. */
export interface Machine {
  readonly commit: string
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  /** Median of one 300-byte append with its own fdatasync, in the benchmark's data directory. */
  readonly fdatasyncUs: number
}

/** Looks at the machine; `directory` is where the brokers will write. */
export function describeMachine(directory: string): Machine {
  return {
    commit: commitOf(),
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    fdatasyncUs: measureFdatasyncUs(directory),
  }
}

function commitOf(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}

function measureFdatasyncUs(directory: string): number {
  const file = join(directory, 'fdatasync-probe')
  const fd = openSync(file, 'w')
  const bytes = Buffer.alloc(300, 1)
  const samples: number[] = []
  for (let i = 0; i < 500; i++) {
    const start = process.hrtime.bigint()
    writeSync(fd, bytes)
    fdatasyncSync(fd)
    samples.push(Number(process.hrtime.bigint() - start) / 1000)
  }
  closeSync(fd)
  rmSync(file)
  return Math.round(median(samples))
}
