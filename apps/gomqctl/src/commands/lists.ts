import { type ListEntry, pagesOf } from '../broker-lists.js'
import { printable } from '../format.js'
import { Notes } from '../notes.js'
import type { GlobalOptions } from '../options.js'
import { Output } from '../output.js'
import { tableOf } from '../table.js'
import { durationText, sizeText } from '../units.js'

/** A list that the broker keeps. */
export type ListName = 'topics' | 'sessions' | 'subscriptions' | 'policies'

/** One column: its head, and what stands in it for an entry. */
type Column = readonly [head: string, cellOf: (entry: ListEntry) => unknown]

const COLUMNS: Readonly<Record<ListName, readonly Column[]>> = {
  topics: [
    ['TOPIC', ({ topic }) => topic],
    ['RETAINED', ({ retainedOffset }) => retainedOffset ?? ''],
  ],
  sessions: [
    ['CLIENT', ({ clientId }) => clientId],
    ['CONNECTED', ({ connected }) => (connected === true ? 'yes' : 'no')],
    ['CLOSED', ({ closedAt }) => (typeof closedAt === 'number' ? timeText(closedAt) : '')],
    ['EXPIRY', ({ expirySec }) => `${expirySec}s`],
    ['SUBSCRIPTIONS', ({ subscriptions }) => subscriptions],
    ['WILL', ({ hasWill }) => (hasWill === true ? 'yes' : 'no')],
  ],
  subscriptions: [
    ['CLIENT', ({ clientId }) => clientId],
    ['NAME', ({ name }) => name],
    ['FILTERS', ({ filters }) => (Array.isArray(filters) ? filters.join(' ') : filters)],
    ['QOS', ({ qos }) => qos],
    ['POSITION', ({ position }) => position],
    ['LAG', ({ lag }) => lag],
    ['UNACKED', ({ unacked }) => unacked],
    ['ATTACHED', ({ attached }) => (attached === true ? 'yes' : 'no')],
  ],
  policies: [
    ['FILTER', ({ filter }) => filter],
    ['AGE', ({ maxAgeMs }) => durationText(maxAgeMs)],
    ['BYTES', ({ maxBytes }) => sizeText(maxBytes)],
    ['COUNT', ({ maxCount }) => maxCount],
    ['ACKED', ({ isAckedRemoved }) => (isAckedRemoved === true ? 'yes' : 'no')],
    ['COMPACT', ({ isCompacted }) => (isCompacted === true ? 'yes' : 'no')],
    ['TOMBSTONE', ({ isCompacted, tombstoneMs }) => (isCompacted === true ? durationText(tombstoneMs) : '')],
    ['BEFORE', ({ before }) => before],
  ],
}

/** Prints a list of the broker from its first page to its last: tables on a terminal, tab-separated fields when piped, or JSON. */
export async function lists(name: ListName, options: GlobalOptions): Promise<void> {
  const notes = new Notes(process.stderr, options.quiet)
  let hasReader = true
  const output = new Output(process.stdout, () => (hasReader = false))
  const isTable = process.stdout.isTTY && !options.json
  let count = 0
  for await (const entries of pagesOf(options.http, name)) {
    count += entries.length
    if (entries.length > 0) await output.write(Buffer.from(`${pageText(name, entries, isTable, options.json)}\n`))
    if (!hasReader) return
  }
  await output.flush()
  if (count === 0) notes.hint(`the broker has no ${name}`)
}

/** A page as it is printed, without the last line end. */
export function pageText(name: ListName, entries: readonly ListEntry[], isTable: boolean, isJson: boolean): string {
  if (isJson) return entries.map((entry) => JSON.stringify(entry)).join('\n')
  const columns = COLUMNS[name]
  const rows = entries.map((entry) => columns.map(([, cellOf]) => printable(String(cellOf(entry) ?? ''))))
  if (!isTable) return rows.map((row) => row.join('\t')).join('\n')
  return tableOf(
    columns.map(([head]) => head),
    rows,
  )
}

function timeText(timeMs: number): string {
  const time = new Date(timeMs)
  return Number.isNaN(time.getTime()) ? String(timeMs) : time.toISOString()
}
