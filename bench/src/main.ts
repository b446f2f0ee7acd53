import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeMachine } from './machine.js'
import { COMPRESSIBLE, type Figure, WORKLOADS } from './workloads.js'

const HELP = `Usage: npm run bench -- [options]

Measures GoMQ with its defaults (fdatasync before every ack) beside the floor, an opaque relay, in one run.

  --workloads a,b      of: ${Object.keys(WORKLOADS).join(', ')}   (default: all)
  --messages n         messages of one workload                    (default: 2000000)
  --message-bytes n    bytes of one message                        (default: 100)
  --compression how    none or deflate, of JSON messages and without the floor: publish, end-to-end, catch-up
  --time-limit sec     for one workload of one system              (default: 300)
  --json file          write the figures there as well
`

const { values } = parseArgs({
  options: {
    workloads: { type: 'string' },
    messages: { type: 'string', default: '2000000' },
    'message-bytes': { type: 'string', default: '100' },
    compression: { type: 'string' },
    'time-limit': { type: 'string', default: '300' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}

const compression = compressionOf(values.compression)
const names = values.workloads?.split(',') ?? (compression ? COMPRESSIBLE : Object.keys(WORKLOADS))
const unknown = names.find((name) => !Object.hasOwn(WORKLOADS, name))
if (unknown !== undefined) {
  process.stderr.write(`bench: there is no workload '${unknown}'; one of: ${Object.keys(WORKLOADS).join(', ')}\n`)
  process.exit(64)
}

const workDirectory = fileURLToPath(new URL('../results/tmp', import.meta.url))
mkdirSync(workDirectory, { recursive: true })
const machine = describeMachine(workDirectory)
process.stdout.write(
  `commit ${machine.commit}, Node ${machine.node}, ${machine.cores} x ${machine.cpu}, ${machine.memoryGiB} GiB; one 300-byte append with fdatasync: ${machine.fdatasyncUs} us\n\n`,
)

const figures: Figure[] = []
for (const name of names) {
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
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, figures }, null, 2)}\n`)

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
