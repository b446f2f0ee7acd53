import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Which of the processes holds the socket with this local port of the loopback; undefined if none of them does. Linux. */
export function ownerOfPort(port: number, processes: readonly number[]): number | undefined {
  const socket = `socket:[${inodeOf(port)}]`
  return processes.find((pid) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(`/proc/${pid}/fd/${fd}`) === socket)
    } catch {
      return false
    }
  })
}

function inodeOf(port: number): string | undefined {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const fields = line.trim().split(/\s+/)
    if (fields[1] === local) return fields[9]
  }
  return undefined
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
