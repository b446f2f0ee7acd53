import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LatencySummary } from '../statistics.js'

/** What one run of `ab` found. */
export interface ApacheBenchResult {
  readonly requests: number
  readonly ratePerSec: number
  /** It knows whole milliseconds, and nothing between p99 and the largest. */
  readonly latency: Omit<LatencySummary, 'count' | 'curve'>
}

/** How long it goes on: until whichever comes first. */
export interface Bounds {
  readonly requests: number
  /** Whole. */
  readonly seconds: number
}

/**
 * Posts `body` again and again with ApacheBench (Debian: apache2-utils), ten requests at a time.
 *
 * @param keepAlive  false: a connection for each request, as `ab` does by default
 * @throws Error  `ab` is not installed, or a request failed
 */
export async function apacheBench(
  url: string,
  body: string,
  { requests: requestsMax, seconds }: Bounds,
  keepAlive: boolean,
  workDirectory: string,
): Promise<ApacheBenchResult> {
  const file = join(workDirectory, 'ab-body.json')
  writeFileSync(file, body)
  // A bound of time brings a number of requests with it: the number that is meant comes after it.
  const bounds = ['-t', `${seconds}`, '-n', `${requestsMax}`]
  const args = ['-q', ...(keepAlive ? ['-k'] : []), ...bounds, '-c', '10', '-p', file]
  const report = await new Promise<string>((resolve, reject) => {
    execFile('ab', [...args, '-T', 'application/json', url], (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`ab failed: ${stderr || error.message}`))
    })
  })
  const numberAfter = (pattern: RegExp) => Number(pattern.exec(report)?.[1] ?? Number.NaN)
  const requests = numberAfter(/Complete requests:\s+(\d+)/)
  const failed = numberAfter(/Failed requests:\s+(\d+)/) + (numberAfter(/Non-2xx responses:\s+(\d+)/) || 0)
  // Answers of different length count as failed there: an offset has more digits than the one before.
  const isShort = /\(Connect: 0, Receive: 0, Length: \d+, Exceptions: 0\)/.test(report) && !/Non-2xx/.test(report)
  if (failed > 0 && !isShort) throw new Error(`of ${requests} requests ${failed} failed`)
  const shareUs = (percent: number) => 1000 * numberAfter(new RegExp(`\\n\\s+${percent}%\\s+(\\d+)`))
  const maxUs = shareUs(100)
  return {
    requests,
    ratePerSec: numberAfter(/Requests per second:\s+([\d.]+)/),
    latency: { p50Us: shareUs(50), p99Us: shareUs(99), p999Us: undefined, p9999Us: undefined, maxUs },
  }
}
