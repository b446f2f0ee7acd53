import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeMachine } from './machine.js'
import type { Row } from './state-context.js'
import { STATE_WORKLOADS } from './state-workloads.js'
import { COMPRESSIBLE, type Figure, WORKLOADS } from './workloads.js'

const HELP = `Usage: npm run bench -- [options]

Measures GoMQ with its defaults (fdatasync before every ack) beside the floor, an opaque relay, in one run.

  --workloads a,b      of: ${Object.keys(WORKLOADS).join(', ')}   (default: all)
  --messages n         messages of one workload                    (default: 2000000)
  --message-bytes n    bytes of one message                        (default: 100)
  --compression how    none or deflate, of JSON messages and without the floor: publish, end-to-end, catch-up
  --time-limit sec     for one workload of one system              (default: 300)
  --json file          write the figures there as well

Workloads about what the broker keeps, which run only when they are named: ${Object.keys(STATE_WORKLOADS).join(', ')}

  --log-bytes n        bytes of the log                            (default: 10737418240)
  --entries n          entries of the state                        (default: 100000)
  --data-dir path      keep the data there, for --made
  --made               --data-dir was filled by an earlier run
`

const { values } = parseArgs({
  options: {
    workloads: { type: 'string' },
    messages: { type: 'string', default: '2000000' },
    'message-bytes': { type: 'string', default: '100' },
    compression: { type: 'string' },
    'time-limit': { type: 'string', default: '300' },
    json: { type: 'string' },
    'log-bytes': { type: 'string', default: `${10 * 2 ** 30}` },
    entries: { type: 'string', default: '100000' },
    'data-dir': { type: 'string' },
    made: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}

const compression = compressionOf(values.compression)
const names = values.workloads?.split(',') ?? (compression ? COMPRESSIBLE : Object.keys(WORKLOADS))
const known = [...Object.keys(WORKLOADS), ...Object.keys(STATE_WORKLOADS)]
const unknown = names.find((name) => !known.includes(name))
if (unknown !== undefined) {
  process.stderr.write(`bench: there is no workload '${unknown}'; one of: ${known.join(', ')}\n`)
  process.exit(64)
}

const workDirectory = fileURLToPath(new URL('../results/tmp', import.meta.url))
mkdirSync(workDirectory, { recursive: true })
const machine = describeMachine(workDirectory)
process.stdout.write(
  `commit ${machine.commit}, Node ${machine.node}, ${machine.cores} x ${machine.cpu}, ${machine.memoryGiB} GiB; one 300-byte append with fdatasync: ${machine.fdatasyncUs} us\n\n`,
)

const figures: Figure[] = []
const tables: Record<string, readonly Row[]> = {}
for (const name of names) {
  const onState = STATE_WORKLOADS[name]
  if (onState !== undefined) {
    tables[name] = await onState({
      workDirectory,
      logBytes: Number(values['log-bytes']),
      entries: Number(values.entries),
      dataDirectory: values['data-dir'],
      isMade: values.made,
      onProgress: (what, share) => {
        if (process.stderr.isTTY) process.stderr.write(`\r${name}: ${what} ${Math.floor(100 * share)} % `)
      },
    })
    process.stdout.write(`${name}, log bytes ${values['log-bytes']}, entries ${values.entries}\n`)
    console.table(tables[name])
    continue
  }
  const context = {
    workDirectory,
    messages: Number(values.messages),
    messageBytes: Number(values['message-bytes']),
    compression,
    timeLimitSec: Number(values['time-limit']),
    onProgress: (done: number, total: number) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${name}: ${Math.floor((100 * done) / total)} % `)
    },
  }
  figures.push(...(await WORKLOADS[name]!(context)))
  if (process.stderr.isTTY) process.stderr.write('\r')
}
rmSync(workDirectory, { recursive: true, force: true })
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, figures, tables }, null, 2)}\n`)

if (figures.length === 0) process.exit(0)
console.table(
  figures.map((figure) => ({
    workload: figure.workload,
    system: figure.system,
    'msg/s': figure.ratePerSec,
    'p50 us': figure.p50Us ?? '',
    'p99 us': figure.p99Us ?? '',
    'server cpu s': figure.serverCpuSec.toFixed(1),
    'client cpu s': figure.clientCpuSec.toFixed(1),
    'server MiB': figure.serverRssMiB,
    'growth MiB': figure.serverRssGrowthMiB,
    ...(figure.storedShare !== undefined && { 'stored %': Math.round(100 * figure.storedShare) }),
  })),
)
process.stdout.write(
  `${figures[0]?.messageBytes} B messages; every ack after fdatasync; warm-up left out; one producer, one consumer, processes of their own on one machine.\n`,
)

function compressionOf(text: string | undefined): 'none' | 'deflate' | undefined {
  if (text === undefined || text === 'none' || text === 'deflate') return text
  process.stderr.write(`bench: there is no compression '${text}'; none or deflate\n`)
  return process.exit(64)
}
