import { GomqError, type SubscribeFrom, type Subscription } from '@gomq/client'
import { withBroker } from '../connection.js'
import { Exit, ExitCode } from '../exit.js'
import { type Format, formatMessage } from '../format.js'
import { Interruption } from '../interruption.js'
import { readable } from '../messages.js'
import { Notes } from '../notes.js'
import { type GlobalOptions, withoutScheme } from '../options.js'
import { Output } from '../output.js'

/** Options of `sub`. */
export interface SubOptions {
  readonly from: SubscribeFrom
  readonly count?: number
  /** Milliseconds. */
  readonly timeout?: number
  readonly exitAtEnd?: boolean
  readonly format?: Format
  readonly name?: string
}

/** Milliseconds that the end waits for the last acknowledgement to be answered. */
const LAST_ACK_TIMEOUT_MS = 5000
/** Milliseconds that the end waits for the broker to hear of it; the connection closes after that in any case. */
const CLOSE_TIMEOUT_MS = 2000

/** Prints messages as they come; each is acknowledged after it was printed. */
export async function sub(options: SubOptions, globals: GlobalOptions): Promise<void> {
  check(options, globals)
  const notes = new Notes(process.stderr, globals.quiet)
  const format = globals.json ? 'json' : (options.format ?? (process.stdout.isTTY ? 'screen' : 'text'))
  const isDurable = options.name !== undefined || globals.cleanSession === false
  await withBroker(globals, notes, async (mq) => {
    const subscription = await mq.subscribe(globals.topic, {
      // A durable subscription is acknowledged, or it would never move.
      qos: isDurable ? (Math.max(1, globals.qos) as 1 | 2) : globals.qos,
      from: options.from,
      untilEnd: options.exitAtEnd ?? false,
      ...(options.name !== undefined && { name: options.name }),
    })
    if (options.exitAtEnd !== true)
      notes.hint(
        `listening to ${globals.topic.join(', ')} at ${globals.connect.map(withoutScheme).join(', ')}; Ctrl-C ends it`,
      )
    using interruption = new Interruption(process)
    mq.on('missed', ({ from, to }) =>
      notes.warn(`retention removed messages before they came here: offsets ${from} to ${to - 1} are missed`),
    )
    let isTimedOut = false
    const printer = new Printer(subscription, format, globals.topic)
    void interruption.signalled.then(() => printer.end())
    const timer =
      options.timeout === undefined
        ? undefined
        : setTimeout(() => {
            isTimedOut = true
            void printer.end()
          }, options.timeout)
    try {
      // A broker that does not answer holds the iteration longer than anybody waits.
      await Promise.race([printer.print(options.count ?? Number.POSITIVE_INFINITY, notes), printer.left])
    } finally {
      clearTimeout(timer)
      await printer.end()
    }
    if (printer.isUnacked)
      notes.warn('the broker did not get the last acknowledgements; it will deliver those messages again')
    if (isTimedOut && options.count !== undefined && printer.printed < options.count) {
      notes.warn(`${printer.printed} of ${options.count} messages came in time`)
      throw new Exit(ExitCode.TEMPORARY)
    }
    if (interruption.exitCode !== undefined) throw new Exit(interruption.exitCode)
  })
}

/** @throws GomqError INVALID_ARGUMENT */
function check(options: SubOptions, globals: GlobalOptions): void {
  if (globals.topic.length === 0)
    throw new GomqError('INVALID_ARGUMENT', "no topic is given; name one with --topic or GOMQ_TOPIC, '#' for all")
  if (options.name !== undefined && globals.clientId === undefined)
    throw new GomqError(
      'INVALID_ARGUMENT',
      '--name makes the subscription durable, and it belongs to a client; name that with --client-id',
    )
}

/** Prints the messages of one subscription and acknowledges what was printed, no more and no less. */
class Printer {
  printed = 0
  /** Whether an acknowledgement did not reach the broker. */
  isUnacked = false
  /** Resolves when {@link end} is done. */
  readonly left: Promise<void>
  #resolveLeft!: () => void
  readonly #subscription: Subscription
  readonly #format: Format
  readonly #withTopic: boolean
  readonly #output: Output
  #ending: Promise<void> | undefined
  #lastAck: Promise<void> | undefined

  constructor(subscription: Subscription, format: Format, filters: readonly string[]) {
    this.#subscription = subscription
    this.#format = format
    this.#withTopic = filters.length > 1 || /[+#]/.test(filters[0]!)
    this.#output = new Output(process.stdout, () => void this.end())
    this.left = new Promise((resolve) => (this.#resolveLeft = resolve))
  }

  async print(countMax: number, notes: Notes): Promise<void> {
    for await (const message of readable(this.#subscription, notes)) {
      if (this.#ending !== undefined) return
      this.printed++
      const room = this.#output.write(formatMessage(message, this.#format, this.#withTopic), () =>
        this.#acknowledge(message.ack()),
      )
      if (room !== undefined) await room
      if (this.printed >= countMax) return
    }
  }

  /** Stops printing, acknowledges what was printed, then leaves. Again: the same promise. */
  end(): Promise<void> {
    this.#ending ??= this.#leave()
    return this.#ending
  }

  async #leave(): Promise<void> {
    await this.#output.flush()
    await settledWithin(this.#lastAck, LAST_ACK_TIMEOUT_MS)
    await settledWithin(this.#subscription.close(), CLOSE_TIMEOUT_MS)
    this.#resolveLeft()
  }

  /** Messages that are acknowledged at once share a promise. */
  #acknowledge(ack: Promise<void>): void {
    if (ack === this.#lastAck) return
    this.#lastAck = ack
    ack.catch(() => (this.isUnacked = true))
  }
}

/** Waits until the promise has settled, either way, or the time is over. */
async function settledWithin(promise: Promise<void> | undefined, timeoutMs: number): Promise<void> {
  if (promise === undefined) return
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)))
  await Promise.race([promise.catch(() => {}), timeout])
  clearTimeout(timer)
}
