import { readdirSync, readFileSync } from 'node:fs'
import type { Usage } from '../systems/system.js'

/** Ticks of the kernel's clock in a second, as /proc counts CPU. */
const TICKS_PER_SEC = 100
const PAGE_BYTES = 4096

/** The processes of a group; the group's first alone where /proc is missing. */
export function processesOfGroup(group: number): number[] {
  try {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    return pids.map(Number).filter((pid) => Number(statFieldsOf(pid)?.[2]) === group)
  } catch {
    return [group]
  }
}

/** What the processes have used so far; zero where /proc is missing, and for those that are gone. */
export function usageOf(pids: readonly number[]): Usage {
  let [cpuTicks, kernelTicks, rssPages, rssBytesMax] = [0, 0, 0, 0]
  for (const pid of pids) {
    const fields = statFieldsOf(pid)
    if (fields === undefined) continue
    cpuTicks += Number(fields[11]) + Number(fields[12])
    kernelTicks += Number(fields[12])
    rssPages += Number(fields[21])
    rssBytesMax += peakBytesOf(pid)
  }
  return {
    cpuSec: cpuTicks / TICKS_PER_SEC,
    kernelSec: kernelTicks / TICKS_PER_SEC,
    rssBytes: rssPages * PAGE_BYTES,
    rssBytesMax,
  }
}

/** The fields of `/proc/<pid>/stat` behind the name: the first is the state. */
function statFieldsOf(pid: number): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
  } catch {
    return undefined
  }
}

function peakBytesOf(pid: number): number {
  try {
    return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
