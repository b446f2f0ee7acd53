import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BrokerProcess } from './broker-process.js'

/** What a broker has cleaned, as its log and its directory tell. */
export interface CleaningReport {
  /** Turns in which something went. */
  readonly turns: number
  readonly removedBytes: number
  readonly segmentsDropped: number
  readonly segmentsRewritten: number
  /** Segments there now that the cleaner wrote. */
  readonly cleanedSegments: number
}

/** Sums up all lives of the broker. */
export function cleaningReport(broker: BrokerProcess): CleaningReport {
  const report = { turns: 0, removedBytes: 0, segmentsDropped: 0, segmentsRewritten: 0, cleanedSegments: 0 }
  for (const line of broker.stderr.split('\n')) {
    if (!line.includes('"the log was cleaned"') || !line.endsWith('}')) continue
    const { removedBytes, segmentsDropped, segmentsRewritten } = JSON.parse(line) as CleaningReport
    report.turns++
    report.removedBytes += removedBytes
    report.segmentsDropped += segmentsDropped
    report.segmentsRewritten += segmentsRewritten
  }
  report.cleanedSegments = segmentNames(broker.dataDirectory).filter((name) => /^\d{20}\.\d+\.log$/.test(name)).length
  return report
}

/** The files of the log's segments. */
export function segmentNames(dataDirectory: string): string[] {
  return readdirSync(join(dataDirectory, 'log')).filter((name) => name.endsWith('.log'))
}

/** Where the log begins. */
export function logStartOf(dataDirectory: string): number {
  return Math.min(...segmentNames(dataDirectory).map((name) => Number.parseInt(name, 10)))
}

/** Asks a broker to keep a policy. */
export async function putPolicy(broker: BrokerProcess, policy: Readonly<Record<string, unknown>>): Promise<void> {
  const response = await fetch(`${broker.httpUrl}/v1/policies`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(policy),
  })
  if (response.status !== 200) throw new Error(`a policy was refused with ${response.status}: ${await response.text()}`)
}
