import type { Message } from '@gomq/client'
import { withBroker } from '../connection.js'
import { withoutSession } from '../connection-options.js'
import { formatMessage, toRow } from '../format.js'
import { readable } from '../messages.js'
import { Notes } from '../notes.js'
import type { GlobalOptions } from '../options.js'
import { Output } from '../output.js'
import { tableOf } from '../table.js'

const HEAD = ['OFFSET', 'TIME', 'TOPIC', 'KEY', 'VALUE']
/** Columns that the other fields of a row take on a terminal, roughly. */
const OTHER_COLUMNS = 56
const VALUE_COLUMNS_MIN = 20
const COLUMNS_DEFAULT = 80
/** Rows of one table; a longer list comes as several, so that it begins at once and memory stays bounded. */
const TABLE_ROWS_MAX = 1000

/** Prints what is stored now: a table on a terminal, tab-separated fields when piped, or JSON. */
export async function list(options: GlobalOptions): Promise<void> {
  const notes = new Notes(process.stderr, options.quiet)
  const filters = options.topic.length > 0 ? options.topic : ['#']
  await withBroker(withoutSession(options), notes, async (mq) => {
    const subscription = await mq.subscribe(filters, { qos: 0, from: 'earliest', untilEnd: true })
    const output = new Output(process.stdout, () => void subscription.close().catch(() => {}))
    const messages = readable(subscription, notes)
    const isTable = process.stdout.isTTY && !options.json
    const count = isTable ? await printTables(messages, output) : await printLines(messages, output, options.json)
    await output.flush()
    if (count === 0) notes.hint(`nothing is stored in ${filters.join(', ')}`)
  })
}

async function printLines(messages: AsyncIterable<Message>, output: Output, isJson: boolean): Promise<number> {
  let count = 0
  for await (const message of messages) {
    count++
    const line = isJson
      ? formatMessage(message, 'json')
      : Buffer.from(`${toRow(message, Number.POSITIVE_INFINITY).join('\t')}\n`)
    const room = output.write(line)
    if (room !== undefined) await room
  }
  return count
}

async function printTables(messages: AsyncIterable<Message>, output: Output): Promise<number> {
  // A terminal that does not tell its width says 0.
  const width = Math.max(VALUE_COLUMNS_MIN, (process.stdout.columns || COLUMNS_DEFAULT) - OTHER_COLUMNS)
  let count = 0
  let rows: string[][] = []
  const printTable = async () => {
    await output.write(Buffer.from(`${tableOf(HEAD, rows)}\n`))
    rows = []
  }
  for await (const message of messages) {
    count++
    if (rows.push(toRow(message, width)) === TABLE_ROWS_MAX) await printTable()
  }
  if (rows.length > 0) await printTable()
  return count
}
