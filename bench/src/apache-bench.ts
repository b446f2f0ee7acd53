import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What one run of `ab` found. */
export interface ApacheBenchResult {
  readonly ratePerSec: number
  readonly p50Us: number
  readonly p99Us: number
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
  requests: number,
  keepAlive: boolean,
  workDirectory: string,
): Promise<ApacheBenchResult> {
  const file = join(workDirectory, 'ab-body.json')
  writeFileSync(file, body)
  const args = ['-q', ...(keepAlive ? ['-k'] : []), '-n', `${requests}`, '-c', '10', '-p', file]
  const report = await new Promise<string>((resolve, reject) => {
    execFile('ab', [...args, '-T', 'application/json', url], (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else if (error.code === 'ENOENT') reject(new Error("the workload http needs 'ab'; install apache2-utils"))
      else reject(new Error(`ab failed: ${stderr || error.message}`))
    })
  })
  const numberAfter = (pattern: RegExp) => Number(pattern.exec(report)?.[1] ?? Number.NaN)
  const failed = numberAfter(/Failed requests:\s+(\d+)/) + (numberAfter(/Non-2xx responses:\s+(\d+)/) || 0)
  // Answers of different length count as failed there: an offset has more digits than the one before.
  const isShort = /\(Connect: 0, Receive: 0, Length: \d+, Exceptions: 0\)/.test(report) && !/Non-2xx/.test(report)
  if (failed > 0 && !isShort) throw new Error(`of ${requests} requests ${failed} failed`)
  return {
    ratePerSec: numberAfter(/Requests per second:\s+([\d.]+)/),
    p50Us: 1000 * numberAfter(/\n\s+50%\s+(\d+)/),
    p99Us: 1000 * numberAfter(/\n\s+99%\s+(\d+)/),
  }
}
