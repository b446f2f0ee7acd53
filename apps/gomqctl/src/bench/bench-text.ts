import { printable } from '../format.js'
import { tableOf } from '../table.js'
import { durationText } from '../units.js'
import type { BenchReport, ConsumerReport, LatencyReport, RateReport, WrittenReport } from './bench-report.js'

const PERCENTILES = ['p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max'] as const
/** Columns of the longest bar. */
const BAR_COLUMNS = 40

/** A report for a person at a terminal: tables, and a plot where latencies are what it is about. Without the last line end. */
export function reportTables(report: BenchReport): string {
  const latencies = latencyRows(report)
  const parts = [tableOf(['BENCH', report.bench.toUpperCase()], factRows(report))]
  if (latencies.length > 0)
    parts.push(
      tableOf(
        ['LATENCY MS', ...PERCENTILES.map((name) => name.toUpperCase())],
        latencies.map(([name, latency]) => [name, ...PERCENTILES.map((each) => latency[each].toFixed(3))]),
      ),
    )
  if (report.bench === 'latency')
    for (const [name, latency] of latencies.filter(([name]) => name !== 'sent late by'))
      parts.push(percentilePlot(name, latency))
  return parts.join('\n\n')
}

/** A report as lines of tab-separated names and values, for a pipe. Without the last line end. */
export function reportLines(report: BenchReport): string {
  const latencies = latencyRows(report).flatMap(([name, latency]) =>
    PERCENTILES.map((each) => [`${name} ${each} ms`, latency[each].toFixed(3)]),
  )
  return [['bench', report.bench], ...factRows(report), ...latencies].map((row) => row.join('\t')).join('\n')
}

/**
 * Percentiles as bars, on a logarithmic scale of whole decades, so that a tail a hundred times as long as the median leaves the median a bar:
 *
 *     LATENCY to ack, 0.1 to 100 ms, logarithmic
 *     p50   0.912 ms  #############
 *     p90   1.104 ms  ##############
 */
export function percentilePlot(name: string, latency: LatencyReport): string {
  const floor = Math.floor(Math.log10(Math.max(latency.p50, 0.001)))
  // A bar for what lies at the lower end, too.
  const from = latency.p50 <= 10 ** floor ? floor - 1 : floor
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(latency.max, 0.001))))
  const rows = PERCENTILES.map((each) => {
    const share = (Math.log10(Math.max(latency[each], 0.001)) - from) / (to - from)
    const bar = '#'.repeat(Math.max(0, Math.min(BAR_COLUMNS, Math.round(share * BAR_COLUMNS))))
    return `${each.padEnd(6)}  ${latency[each].toFixed(3).padStart(10)} ms  ${bar}`.trimEnd()
  })
  return [`LATENCY ${name}, ${decade(from)} to ${decade(to)} ms, logarithmic`, ...rows].join('\n')
}

function decade(exponent: number): string {
  return exponent < 0 ? (10 ** exponent).toFixed(-exponent) : String(10 ** exponent)
}

function latencyRows(report: BenchReport): (readonly [string, LatencyReport])[] {
  const rows: (readonly [string, LatencyReport | undefined])[] = [
    [report.acknowledgement.level === 'none' ? 'to the socket' : 'to ack', report.ackLatencyMs],
    ['to delivery', report.deliveryLatencyMs],
    ['sent late by', report.latenessMs],
  ]
  return rows.filter((row): row is readonly [string, LatencyReport] => row[1] !== undefined)
}

function factRows(report: BenchReport): string[][] {
  const { versions, brokerId, acknowledgement, published, received, written, latencyFrom } = report
  const consumers = (received?.consumers ?? []).filter((each): each is ConsumerReport => 'missing' in each)
  const total = (of: (consumer: ConsumerReport) => number | null) =>
    consumers.reduce((sum, each) => sum + (of(each) ?? 0), 0)
  const isComplete = consumers.every(({ missing }) => missing !== null)
  const rows: (readonly [string, string | undefined])[] = [
    ['broker', printable(`${brokerId ?? 'unknown'}, gomq ${versions.gomq ?? 'unknown'}`)],
    ['client', `gomqctl ${versions.gomqctl}, Node ${versions.node}, one process and event loop`],
    ['acknowledged', `${acknowledgement.level}: ${acknowledgement.meaning}`],
    ...settingRows(report.settings),
    ['published', published && rateText(published)],
    ['of these acked', published && `${published.acked} of ${published.handedOver}`],
    ['received', received && rateText(received)],
    [
      'missing',
      consumers.length > 0 ? (isComplete ? `${total(({ missing }) => missing)}` : 'not waited for') : undefined,
    ],
    ['doubled', consumers.length > 0 ? `${total(({ doubled }) => doubled)}` : undefined],
    ['of others', total(({ foreign }) => foreign) > 0 ? `${total(({ foreign }) => foreign)}` : undefined],
    ['latency from', latencyFrom && (latencyFrom === 'schedule' ? 'when it was to be sent' : 'when it was published')],
    ['reconnects', report.reconnects > 0 ? String(report.reconnects) : undefined],
    ['stays in the log', written && writtenText(written)],
    ['removed', report.removedSubscriptions ? `${report.removedSubscriptions} durable subscriptions` : undefined],
    ['interrupted', report.isInterrupted ? 'yes: this is what was measured so far' : undefined],
    ['failed', report.failure === null ? undefined : printable(report.failure.message)],
  ]
  return rows.filter((row): row is [string, string] => row[1] !== undefined).map((row) => [...row])
}

function settingRows(settings: BenchReport['settings']): (readonly [string, string | undefined])[] {
  const { topic, topics, filters, from, qos, payloadBytes, producers, consumers, ratePerSec, window } = settings
  const { messages, durationMs, warmup, compression } = settings
  return [
    ['topic', topic === undefined ? undefined : printable(topics === 1 ? `${topic}` : `${topics} below ${topic}`)],
    ['topic filters', Array.isArray(filters) ? printable(filters.join(' ')) : undefined],
    ['from', from === undefined ? undefined : typeof from === 'string' ? from : JSON.stringify(from)],
    ['QoS', String(qos)],
    ['payload', payloadBytes === undefined ? undefined : `${payloadBytes} B`],
    ['producers', producers === undefined ? undefined : `${producers}, ${window} unacknowledged at most of each`],
    ['consumers', String(consumers)],
    ['rate', ratePerSec === undefined ? undefined : ratePerSec === 0 ? 'as fast as acknowledged' : `${ratePerSec}/s`],
    ['compression', compression === undefined || compression === 'none' ? undefined : String(compression)],
    [
      'length',
      typeof messages === 'number'
        ? `${messages} messages`
        : durationMs === null
          ? 'to the end'
          : durationText(durationMs),
    ],
    ['warm-up', `${Number((Number(warmup) * 100).toFixed(2))} %, not measured`],
  ]
}

function rateText({ messages, ms, messagesPerSec, bytesPerSec }: RateReport): string {
  const mebibytes = (bytesPerSec / 1024 / 1024).toFixed(2)
  if (messages === 0) return 'nothing beyond the warm-up'
  return `${messagesPerSec} messages/s, ${mebibytes} MiB/s (${messages} messages in ${(ms / 1000).toFixed(3)} s)`
}

function writtenText({ topic, messages, uncertain, payloadBytes }: WrittenReport): string {
  const unacknowledged = uncertain === 0 ? '' : `, and up to ${uncertain} that were not acknowledged`
  if (messages + uncertain === 0) return 'nothing'
  const mebibytes = (payloadBytes / 1024 / 1024).toFixed(1)
  return printable(
    `${messages} messages, ${mebibytes} MiB of payload${unacknowledged}, in ${topic}, until a policy lets them go`,
  )
}
