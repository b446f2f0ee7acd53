import { parseArgs } from 'node:util'
import { VALUE_BYTES_MIN } from './workers/values.js'

/** What a run is to do. */
export interface Options {
  readonly help: boolean
  /** Names; undefined: all that compare systems. */
  readonly workloads: readonly string[] | undefined
  /** Names or beginnings of names; undefined: all. */
  readonly peers: readonly string[] | undefined
  readonly runs: number
  readonly messages: number
  readonly messageBytes: readonly number[]
  /** For which a fixed rate is kept, and for which other measurements last at most, about. */
  readonly seconds: number
  readonly compression: 'none' | 'deflate' | undefined
  readonly timeLimitSec: number
  readonly json: string | undefined
  readonly report: boolean
  /** Whether another run shows where the time goes. */
  readonly profile: boolean
  /** Whether programs of peers that are missing may be installed. */
  readonly mayInstall: boolean
  readonly logBytes: string
  readonly entries: string
  readonly dataDirectory: string | undefined
  readonly made: boolean
}

/** @throws Error  an option is unknown or its value makes no sense; the message says what would */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', default: false },
      workloads: { type: 'string' },
      peers: { type: 'string' },
      runs: { type: 'string', default: '3' },
      messages: { type: 'string', default: '2000000' },
      'message-bytes': { type: 'string', default: '100,1024' },
      seconds: { type: 'string', default: '3' },
      compression: { type: 'string' },
      'time-limit': { type: 'string', default: '60' },
      json: { type: 'string' },
      report: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      'no-install': { type: 'boolean', default: false },
      'log-bytes': { type: 'string', default: `${10 * 2 ** 30}` },
      entries: { type: 'string', default: '100000' },
      'data-dir': { type: 'string' },
      made: { type: 'boolean', default: false },
    },
  })
  const { compression } = values
  if (compression !== undefined && compression !== 'none' && compression !== 'deflate')
    throw new Error(`there is no compression '${compression}'; none or deflate`)
  return {
    help: values.help,
    workloads: values.workloads?.split(','),
    peers: values.peers === 'none' ? [] : values.peers?.split(','),
    runs: numberOf('--runs', values.runs, 1),
    messages: numberOf('--messages', values.messages, 10),
    messageBytes: values['message-bytes'].split(',').map((each) => numberOf('--message-bytes', each, VALUE_BYTES_MIN)),
    seconds: numberOf('--seconds', values.seconds, 0.1, false),
    compression,
    timeLimitSec: numberOf('--time-limit', values['time-limit'], 1),
    json: values.json,
    report: values.report,
    profile: values.profile,
    mayInstall: !values['no-install'],
    logBytes: values['log-bytes'],
    entries: values.entries,
    dataDirectory: values['data-dir'],
    made: values.made,
  }
}

/** The arguments as another may repeat them: without files of this machine. */
export function repeatable(args: readonly string[]): string[] {
  const isFile = (arg: string) => arg === '--json' || arg === '--data-dir'
  return args.filter((arg, i) => !isFile(arg) && !isFile(args[i - 1] ?? '') && !/^--(json|data-dir)=/.test(arg))
}

function numberOf(option: string, text: string, min: number, isWhole = true): number {
  const value = Number(text)
  if (!(value >= min) || (isWhole && !Number.isSafeInteger(value)))
    throw new Error(`${option} is ${isWhole ? 'a whole number' : 'a number'} from ${min} on, not '${text}'`)
  return value
}
