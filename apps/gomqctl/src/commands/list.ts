import Table from 'cli-table3'
import { formatMessage, toRow } from '../format.js'
import { connectTo, type GlobalOptions } from '../options.js'
import { Output } from '../output.js'

/** Columns that the other fields of a row take on a terminal, roughly. */
const OTHER_COLUMNS = 60
const VALUE_COLUMNS_MIN = 20
/** Rows of one table; a longer list comes as several, so that it begins at once and memory stays bounded. */
const TABLE_ROWS_MAX = 1000

/** Prints what is stored now: a table on a terminal, tab-separated fields when piped, or JSON. */
export async function list(options: GlobalOptions): Promise<void> {
  await using mq = await connectTo(options)
  const filters = options.topic.length > 0 ? options.topic : ['#']
  const subscription = await mq.subscribe(filters, { qos: 0, from: 'earliest', untilEnd: true })
  const output = new Output(process.stdout, () => void subscription.close())
  const isTable = process.stdout.isTTY && !options.json
  const width = isTable ? Math.max(VALUE_COLUMNS_MIN, process.stdout.columns - OTHER_COLUMNS) : Number.MAX_SAFE_INTEGER
  let rows: string[][] = []
  const printTable = async () => {
    const table = new Table({ head: ['offset', 'time', 'topic', 'key', 'value'], style: { head: [], border: [] } })
    table.push(...rows)
    rows = []
    await output.write(Buffer.from(`${table.toString()}\n`), () => {})
  }
  let count = 0
  for await (const message of subscription) {
    count++
    if (options.json) await output.write(formatMessage(message, 'json'), () => {})
    else if (!isTable) await output.write(Buffer.from(`${toRow(message, width).join('\t')}\n`), () => {})
    else if (rows.push(toRow(message, width)) === TABLE_ROWS_MAX) await printTable()
  }
  if (isTable && (rows.length > 0 || count === 0)) await printTable()
  await output.flush()
}
