import { askBroker, noBroker } from '../broker-http.js'
import type { ListEntry } from '../broker-lists.js'
import { Exit, ExitCode } from '../exit.js'
import { printable } from '../format.js'
import { Notes } from '../notes.js'
import type { GlobalOptions } from '../options.js'
import { Output } from '../output.js'
import { tableOf } from '../table.js'
import { roundDurationText } from '../units.js'

/** The cluster as HTTP shows it, as far as the command looks at it. */
export interface ClusterAnswer {
  readonly epoch: unknown
  readonly highWatermark: unknown
  readonly leaderId: string | null
  readonly trouble: string | null
  readonly brokers: readonly ListEntry[]
}

/** One column: its head, and what stands in it for a broker. */
type Column = readonly [head: string, cellOf: (broker: ListEntry, cluster: ClusterAnswer, nowMs: number) => unknown]

const COLUMNS: readonly Column[] = [
  ['ID', ({ id }) => id],
  ['ROLE', ({ role }) => role],
  ['EPOCH', (_, { epoch }) => epoch],
  ['LOG END', ({ logEndOffset }) => logEndOffset],
  ['HIGH WATERMARK', (_, { highWatermark }) => highWatermark],
  ['LAG', ({ lag }) => lag],
  ['IN SYNC', ({ isInSync }) => (isInSync === true ? 'yes' : 'no')],
  ['TCP', (broker) => addressOf(broker, 'tcp')],
  ['HTTP', (broker) => addressOf(broker, 'http')],
  ['REPLICATION', (broker) => addressOf(broker, 'replication')],
  ['UPTIME', ({ startedAtMs }, _, nowMs) => (typeof startedAtMs === 'number' ? uptime(nowMs - startedAtMs) : '')],
]

/**
 * Prints the cluster as its leader sees it: a table on a terminal, tab-separated fields when piped, or the broker's JSON.
 *
 * @throws Exit  75: nobody leads
 */
export async function cluster(globals: GlobalOptions): Promise<void> {
  const answer = await askBroker(globals.http, '/v1/cluster')
  if (!isCluster(answer)) throw noBroker(globals.http, 'it shows no cluster')
  const isTable = process.stdout.isTTY && !globals.json
  const output = new Output(process.stdout)
  await output.write(Buffer.from(`${clusterText(answer, isTable, globals.json, Date.now())}\n`))
  await output.flush()
  const notes = new Notes(process.stderr, globals.quiet)
  const { trouble, leaderId } = answer
  if (trouble !== null) notes.warn(printable(trouble))
  if (leaderId !== null) return
  if (trouble === null) notes.warn('nobody leads')
  throw new Exit(ExitCode.TEMPORARY)
}

/** The cluster as it is printed, without the last line end. */
export function clusterText(answer: ClusterAnswer, isTable: boolean, isJson: boolean, nowMs: number): string {
  if (isJson) return JSON.stringify(answer)
  const rows = answer.brokers.map((broker) =>
    COLUMNS.map(([, cellOf]) => printable(String(cellOf(broker, answer, nowMs) ?? ''))),
  )
  if (!isTable) return rows.map((row) => row.join('\t')).join('\n')
  return tableOf(
    COLUMNS.map(([head]) => head),
    rows,
  )
}

function addressOf({ addresses }: ListEntry, name: 'tcp' | 'http' | 'replication'): unknown {
  return (addresses as { readonly [name: string]: unknown } | null | undefined)?.[name]
}

/** The clocks of two machines may differ. */
function uptime(ms: number): string {
  return roundDurationText(Math.max(0, ms))
}

/** Whether it is what `/v1/cluster` answers with. */
export function isCluster(body: unknown): body is ClusterAnswer {
  if (typeof body !== 'object' || body === null) return false
  const { brokers, leaderId, trouble } = body as Partial<ClusterAnswer>
  const isText = (value: unknown) => value === null || typeof value === 'string'
  return (
    Array.isArray(brokers) &&
    brokers.every((it) => typeof it === 'object' && it !== null) &&
    isText(leaderId) &&
    isText(trouble)
  )
}
