import { randomBytes } from 'node:crypto'
import { GomqError } from '@gomq/client'
import { type GlobalOptions, oneTopic } from '../options.js'
import type { BenchFlags, BenchKind } from './bench-flags.js'
import type { LoadPlan, ReadPlan } from './bench-plan.js'
import { STAMP_BYTES } from './stamp.js'

/** Milliseconds of a bench that no option bounds. */
const DURATION_MS_DEFAULT = 10_000

/**
 * What the options come to. Without a topic it is a fresh one below `bench/`, so that nothing of anybody's is touched.
 * @param id  number of this run, 32 bits
 * @throws GomqError INVALID_ARGUMENT  the options contradict each other, or the topic is none
 */
export function planOf(
  kind: BenchKind,
  flags: BenchFlags,
  globals: Pick<GlobalOptions, 'topic' | 'qos' | 'retain'>,
  id: number = randomBytes(4).readUInt32LE(),
): LoadPlan | ReadPlan {
  if (flags.messages !== undefined && flags.duration !== undefined)
    throw usage('--messages and --duration both say when the bench ends; use one of the two')
  if (globals.retain) throw usage('a bench keeps no last values; leave --retain out, and GOMQ_RETAIN')
  return kind === 'sub' ? readPlanOf(flags, globals) : loadPlanOf(kind, flags, globals, id)
}

/** How a run is named in topics and client ids. */
export function runName(id: number): string {
  return id.toString(16).padStart(8, '0')
}

function readPlanOf(flags: BenchFlags, { topic, qos }: Pick<GlobalOptions, 'topic' | 'qos'>): ReadPlan {
  if (topic.length === 0) throw usage("no topic is given to read; name one with --topic or GOMQ_TOPIC, '#' for all")
  const { messages, duration, from, consumers, warmup } = flags
  const isUnbounded = messages === undefined && duration === undefined
  return {
    kind: 'sub',
    filters: topic,
    ...{ from, qos, consumers, messages },
    durationMs: isUnbounded && from === 'new' ? DURATION_MS_DEFAULT : duration,
    // Of what has no known length there is no part.
    warmupShare: isUnbounded && from !== 'new' ? 0 : warmup,
  }
}

function loadPlanOf(
  kind: LoadPlan['kind'],
  flags: BenchFlags,
  globals: Pick<GlobalOptions, 'topic' | 'qos'>,
  id: number,
): LoadPlan {
  const { size, producers, topics, rate, window, warmup } = flags
  if (kind !== 'pub' && size < STAMP_BYTES)
    throw usage(
      `--size ${size} leaves no room for what tells messages apart; bench ${kind} needs ${STAMP_BYTES} bytes at least`,
    )
  if (kind === 'latency' && rate === 0)
    throw usage('bench latency sends at a steady --rate, above 0; bench pub finds out what the greatest is')
  const topic = globals.topic.length === 0 ? `bench/${runName(id)}` : oneTopic(globals, `bench ${kind}`)
  const durationMs = flags.duration ?? DURATION_MS_DEFAULT
  return {
    kind,
    run: id,
    topic,
    topics: topics === 1 ? [topic] : Array.from({ length: topics }, (_, index) => `${topic}/${index}`),
    filter: topics === 1 ? topic : `${topic}/+`,
    qos: globals.qos,
    sizeBytes: size,
    ...{ producers, window, durationMs },
    consumers: kind === 'pub' ? 0 : flags.consumers,
    ratePerSec: rate,
    isPrecise: flags.precise ?? false,
    // What is due within the time is sent, however late: to leave it out would hide that it was late.
    messages: flags.messages ?? (rate === 0 ? undefined : Math.max(1, Math.ceil((rate * durationMs) / 1000))),
    warmupShare: warmup,
  }
}

function usage(message: string): GomqError {
  return new GomqError('INVALID_ARGUMENT', message)
}
