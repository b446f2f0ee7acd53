import { type Command, Option } from 'commander'
import {
  type BenchFlags,
  type BenchKind,
  countUpTo,
  parsePayloadBytes,
  parseRate,
  parseShare,
} from './bench/bench-flags.js'
import { parseCount, parseDurationMs, parseFrom } from './options.js'

/** Connections of one kind: producers, consumers. */
const CONNECTIONS_MAX = 1000
const TOPICS_MAX = 10_000
/** Unacknowledged messages of a producer; each is a promise of the client. */
const WINDOW_MAX = 1_000_000

/** Adds the commands that measure a broker. */
export function addBenchCommands(program: Command, run: (kind: BenchKind, flags: BenchFlags) => Promise<void>): void {
  const bench = program.command('bench').description('measure what a broker does on this machine with your settings')
  const add = (kind: BenchKind, description: string, options: readonly Option[]) => {
    const command = bench.command(kind).description(description)
    for (const option of options) command.addOption(option)
    command.action((flags: BenchFlags) => run(kind, flags))
  }
  add('pub', 'publish, and measure the rate of acknowledgements and how long they take', [
    ...lengthOptions(),
    ...producerOptions(0),
    ...lastOptions(),
  ])
  add('sub', 'read what topics hold, or what comes, and measure the rate', [
    new Option('-f, --from <start>', "'new', 'earliest', an offset, or a time such as 2026-01-31T12:00:00Z")
      .argParser(parseFrom)
      .default('new'),
    ...lengthOptions(),
    consumersOption(),
    ...lastOptions(),
  ])
  add('e2e', 'publish and consume, both acknowledged, and check that every message comes exactly once', [
    ...lengthOptions(),
    ...producerOptions(0),
    consumersOption(),
    ...lastOptions(),
  ])
  add('latency', 'publish at a steady rate, and measure the time to acknowledgement and delivery', [
    ...lengthOptions(),
    ...producerOptions(1000),
    new Option('--precise', 'watch the clock, so that messages are sent on time; takes a core of this machine'),
    consumersOption(),
    ...lastOptions(),
  ])
}

function lengthOptions(): Option[] {
  return [
    new Option('-n, --messages <n>', 'end after so many messages of all producers').argParser(parseCount),
    new Option('--duration <time>', 'end after this time: 500ms, 10s, 2m (default: 10s)').argParser(parseDurationMs),
  ]
}

function producerOptions(rate: number): Option[] {
  return [
    new Option('--size <bytes>', 'size of each payload').argParser(parsePayloadBytes).default(100),
    new Option('--producers <n>', 'connections that publish').argParser(countUpTo(CONNECTIONS_MAX)).default(1),
    new Option('--topics <n>', 'topics that each producer publishes to in turns; several are <topic>/0, <topic>/1, ...')
      .argParser(countUpTo(TOPICS_MAX))
      .default(1),
    new Option('--rate <n>', 'messages a second of all producers together; 0: as fast as they are acknowledged')
      .argParser(parseRate)
      .default(rate),
    new Option('--window <n>', 'unacknowledged messages of a producer')
      .argParser(countUpTo(WINDOW_MAX))
      .default(10_000),
  ]
}

function consumersOption(): Option {
  return new Option('--consumers <n>', 'connections that subscribe; each gets every message')
    .argParser(countUpTo(CONNECTIONS_MAX))
    .default(1)
}

function lastOptions(): Option[] {
  return [
    new Option('--warmup <share>', 'part of the messages, or of the time, that is not measured')
      .argParser(parseShare)
      .default(0.1),
    new Option('--interval <time>', 'print rates on stderr so often: 1s, 10s').argParser(parseDurationMs),
  ]
}
