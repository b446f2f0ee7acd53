import { type GomqClient, GomqError, type PublishOptions } from '@gomq/client'
import { readWhole, splitLines } from '../lines.js'
import { connectTo, type GlobalOptions, oneTopic } from '../options.js'
import { Progress } from '../progress.js'

export interface PubOptions {
  readonly lines: boolean
  readonly key?: string
  readonly header?: Readonly<Record<string, string>>
}

/**
 * Publishes words, standard input as a whole, or its lines. Succeeds only when every message was acknowledged; otherwise says how many were.
 */
export async function pub(words: readonly string[], options: PubOptions, globals: GlobalOptions): Promise<void> {
  const topic = oneTopic(globals)
  if (words.length > 0 && options.lines) {
    throw new GomqError(
      'INVALID_ARGUMENT',
      '--lines reads messages from standard input, and words are given too; use one of the two',
    )
  }
  await using mq = await connectTo(globals)
  const publishOptions: PublishOptions = {
    qos: globals.qos,
    retain: globals.retain,
    ...(options.key !== undefined && { key: options.key }),
    ...(options.header !== undefined && { headers: options.header }),
  }
  await publishAll(mq, topic, messagesOf(words), publishOptions, globals)
}

async function* messagesOf(words: readonly string[]): AsyncGenerator<string | Uint8Array> {
  if (words.length === 1 && words[0] === '-') yield await readWhole(process.stdin)
  else if (words.length > 0) yield* words
  else {
    if (process.stdin.isTTY) process.stderr.write('gomqctl: each line you type is a message; end with Ctrl-D\n')
    yield* splitLines(process.stdin)
  }
}

async function publishAll(
  mq: GomqClient,
  topic: string,
  messages: AsyncIterable<string | Uint8Array>,
  publishOptions: PublishOptions,
  globals: GlobalOptions,
): Promise<void> {
  const progress = new Progress()
  const outcome: { sent: number; settled: number; failure: GomqError | undefined; lastOffset: number } = {
    sent: 0,
    settled: 0,
    failure: undefined,
    lastOffset: -1,
  }
  let wake = () => {}
  for await (const message of messages) {
    if (outcome.failure !== undefined) break
    outcome.sent++
    mq.publish(topic, message, publishOptions).then(
      (ack) => {
        outcome.settled++
        outcome.lastOffset = Math.max(outcome.lastOffset, ack.offset)
        progress.update(outcome.settled)
        if (outcome.settled === outcome.sent) wake()
      },
      (error: unknown) => {
        outcome.failure ??= GomqError.from(error)
        wake()
      },
    )
    const room = mq.writable()
    if (room !== undefined) await room.catch(() => {})
  }
  while (outcome.settled < outcome.sent && outcome.failure === undefined) {
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
  progress.stop()
  const isStored = publishOptions.qos === 1
  if (outcome.failure !== undefined) {
    const { failure } = outcome
    throw new GomqError(
      failure.code,
      `${failure.message} (${outcome.settled} messages were ${isStored ? 'stored' : 'sent'} before)`,
      { cause: failure },
    )
  }
  if (globals.json)
    process.stdout.write(
      `${JSON.stringify({ topic, messages: outcome.sent, ...(isStored && { lastOffset: outcome.lastOffset }) })}\n`,
    )
  const where = isStored && outcome.sent > 0 ? `, the last at offset ${outcome.lastOffset}` : ''
  process.stderr.write(
    `${outcome.sent} ${outcome.sent === 1 ? 'message' : 'messages'} ${isStored ? 'stored' : 'sent'}${where}\n`,
  )
}
