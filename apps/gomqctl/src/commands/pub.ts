import { GomqError, type PublishOptions } from '@gomq/client'
import { withBroker } from '../connection.js'
import { Exit } from '../exit.js'
import { Interruption } from '../interruption.js'
import { Notes } from '../notes.js'
import { type GlobalOptions, oneTopic } from '../options.js'
import { Output } from '../output.js'
import { groupsOf } from '../payloads.js'
import { Progress } from '../progress.js'
import { type Payload, Publisher, type PublishOutcome } from '../publisher.js'
import { checkTemplate } from '../template.js'

/** Options of `pub`. */
export interface PubOptions {
  readonly lines?: boolean
  readonly key?: string
  readonly header?: Readonly<Record<string, string>>
  /** Milliseconds until the messages are no longer delivered. */
  readonly ttl?: number
  /** How often everything is published. */
  readonly count?: number
  /** Milliseconds between messages. */
  readonly interval?: number
  /** Whether placeholders in the messages are filled in. */
  readonly template?: boolean
}

/**
 * Publishes words, standard input as a whole, or its lines. Succeeds only when every message was acknowledged; otherwise says how many were.
 */
export async function pub(words: readonly string[], options: PubOptions, globals: GlobalOptions): Promise<void> {
  const topic = oneTopic(globals)
  checkWords(words, options)
  const notes = new Notes(process.stderr, globals.quiet)
  const publishOptions: PublishOptions = {
    qos: globals.qos,
    retain: globals.retain,
    ...(options.key !== undefined && { key: options.key }),
    ...(options.header !== undefined && { headers: options.header }),
    ...(options.ttl !== undefined && { ttlMs: options.ttl }),
  }
  await withBroker(globals, notes, async (mq) => {
    using interruption = new Interruption(process)
    if (globals.qos === 0 && !globals.retain)
      notes.hint('QoS 0: nothing is stored, only who is subscribed now gets it; --qos 1 stores it')
    const progress = new Progress(process.stderr)
    const publisher = new Publisher(mq, topic, publishOptions, (count) => progress.update(count))
    const readFailure = await publishAll(
      publisher,
      groupsOf({ ...options, words }, notes, Promise.race([interruption.signalled, publisher.failed])),
    )
    const outcome = await publisher.finish()
    progress.stop()
    await report(outcome, readFailure, topic, globals, notes)
    if (interruption.exitCode !== undefined) throw new Exit(interruption.exitCode)
  })
}

/** @throws GomqError INVALID_ARGUMENT */
function checkWords(words: readonly string[], options: PubOptions): void {
  if (words.length > 0 && options.lines === true)
    throw new GomqError(
      'INVALID_ARGUMENT',
      '--lines reads messages from standard input, and words are given too; use one of the two',
    )
  if (words.length > 1 && words.includes('-'))
    throw new GomqError(
      'INVALID_ARGUMENT',
      "'-' stands for all of standard input and other words are given too; publish them by themselves",
    )
  if (words.length === 0 && options.count !== undefined)
    throw new GomqError(
      'INVALID_ARGUMENT',
      "--count repeats words, or all of standard input as '-'; lines are published as they come, each once",
    )
  if (options.template === true) for (const word of words) checkTemplate(word)
}

/** Publishes what comes. A failure to read is returned: what was published before it is still to be waited for. */
async function publishAll(
  publisher: Publisher,
  groups: AsyncIterable<readonly Payload[]>,
): Promise<GomqError | undefined> {
  try {
    for await (const group of groups) await publisher.publish(group)
    return undefined
  } catch (error) {
    return GomqError.from(error)
  }
}

async function report(
  outcome: PublishOutcome,
  readFailure: GomqError | undefined,
  topic: string,
  globals: GlobalOptions,
  notes: Notes,
): Promise<void> {
  const { succeeded, lastOffset } = outcome
  const isStored = globals.qos > 0
  const verb = isStored ? 'stored' : 'sent'
  const failure = outcome.failure ?? readFailure
  if (failure !== undefined) throw failureOf(outcome, failure, verb)
  if (globals.json) {
    const output = new Output(process.stdout)
    const result = { topic, messages: succeeded, ...(isStored && succeeded > 0 && { lastOffset }) }
    await output.write(Buffer.from(`${JSON.stringify(result)}\n`))
    await output.flush()
  }
  const where = isStored && succeeded > 0 ? `, the last at offset ${lastOffset}` : ''
  notes.report(`${messages(succeeded)} ${verb}${where}`)
}

/** The failure with its place among the messages, what became of the others, and what to do. */
function failureOf(outcome: PublishOutcome, failure: GomqError, verb: string): GomqError {
  const { handedOver, succeeded, isCountExact, failedAt } = outcome
  const place = failedAt !== undefined && handedOver > 1 ? `message ${failedAt}: ` : ''
  const advice =
    failure.code === 'MESSAGE_TOO_LARGE' && outcome.failure !== undefined
      ? '; publish it in parts, or start the broker with a greater --message-bytes-max'
      : ''
  const others = `${isCountExact ? '' : 'at least '}${messages(succeeded)} ${succeeded === 1 ? 'is' : 'are'} ${verb}`
  const count = handedOver > 1 || succeeded > 0 ? ` (${others})` : ''
  return new GomqError(failure.code, `${place}${failure.message}${advice}${count}`, { cause: failure })
}

function messages(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`
}
