import { type GomqClient, GomqError, type SubscribeFrom, type Subscription } from '@gomq/client'
import { Exit, ExitCode } from '../exit.js'
import { type Format, formatMessage } from '../format.js'
import { connectTo, type GlobalOptions } from '../options.js'
import { Output } from '../output.js'

export interface SubOptions {
  readonly from: SubscribeFrom
  readonly count?: number
  /** Milliseconds. */
  readonly timeout?: number
  readonly exitAtEnd: boolean
  readonly format: Format
  readonly name?: string
}

/** Prints messages as they come; each is acknowledged after it was printed. */
export async function sub(options: SubOptions, globals: GlobalOptions): Promise<void> {
  if (globals.topic.length === 0) {
    throw new GomqError('INVALID_ARGUMENT', "no topic is given; name one with --topic or GOMQ_TOPIC, '#' for all")
  }
  if (options.name !== undefined && globals.clientId === undefined) {
    throw new GomqError(
      'INVALID_ARGUMENT',
      `--name makes the subscription durable, and it belongs to a client; name that with --client-id`,
    )
  }
  await using mq = await connectTo(globals)
  const subscription = await mq.subscribe(globals.topic, {
    // A durable subscription is acknowledged, or it would never move.
    qos: options.name === undefined ? globals.qos : 1,
    from: options.from,
    untilEnd: options.exitAtEnd,
    ...(options.name !== undefined && { name: options.name }),
  })
  const ending = endOn(mq, subscription, options.timeout)
  try {
    const printed = await print(subscription, options, globals.json ? 'json' : options.format)
    const { reason } = ending
    if (reason === 'timeout' && options.count !== undefined && printed < options.count) {
      process.stderr.write(`gomqctl: ${printed} of ${options.count} messages came in time\n`)
      throw new Exit(ExitCode.TEMPORARY)
    }
    if (reason === 'SIGINT') throw new Exit(ExitCode.INTERRUPTED)
    if (reason === 'SIGTERM') throw new Exit(ExitCode.TERMINATED)
  } finally {
    ending.stop()
  }
}

async function print(subscription: Subscription, options: SubOptions, format: Format): Promise<number> {
  const output = new Output(process.stdout, () => void subscription.close())
  let printed = 0
  for await (const message of subscription) {
    printed++
    await output.write(formatMessage(message, format), () => void message.ack().catch(() => {}))
    if (printed === options.count) break
  }
  await output.flush()
  // The last write's callback acknowledges; closing the client then waits for the acknowledgements.
  await new Promise((resolve) => setImmediate(resolve))
  return printed
}

/** Ends the iteration on a signal or after the timeout; a second signal ends the process. */
function endOn(
  mq: GomqClient,
  subscription: Subscription,
  timeoutMs: number | undefined,
): { reason: string | undefined; stop(): void } {
  const ending: { reason: string | undefined; stop(): void } = {
    reason: undefined,
    stop: () => {
      clearTimeout(timer)
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, onSignal)
    },
  }
  const end = (reason: string) => {
    ending.reason ??= reason
    subscription.close().catch(() => mq.close())
  }
  const onSignal = (signal: NodeJS.Signals) => {
    if (ending.reason !== undefined) process.exit(signal === 'SIGINT' ? ExitCode.INTERRUPTED : ExitCode.TERMINATED)
    end(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal)
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => end('timeout'), timeoutMs)
  return ending
}
