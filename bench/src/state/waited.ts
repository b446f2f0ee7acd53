import { readFileSync } from 'node:fs'

/** Milliseconds that the first thread of a process was ready to run, and others ran in its place. Linux alone tells; elsewhere NaN. */
export function waitedMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
  } catch {
    return Number.NaN
  }
}
