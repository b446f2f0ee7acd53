import { type ConnectOptions, connect, type GomqClient } from '@gomq/client'
import { explainConnectFailure } from '../connection.js'
import { connectOptionsOf } from '../connection-options.js'
import type { Notes } from '../notes.js'
import type { ConnectionFlags, GlobalOptions } from '../options.js'

/** Milliseconds that closing may take: what is not acknowledged by then stays so. */
const CLOSE_TIMEOUT_MS = 2000

/** The connections of a bench, one for each producer and consumer. Closes them when it is disposed. */
export class BenchClients implements AsyncDisposable {
  /** Times that a connection was made again. */
  reconnects = 0
  readonly #addresses: readonly string[]
  readonly #options: ConnectOptions
  readonly #notes: Notes
  readonly #opened: Promise<GomqClient>[] = []
  readonly #lost = new Set<GomqClient>()
  /** Said goodbye: that their connection ends is no loss. */
  readonly #leaving = new Set<GomqClient>()

  /** @throws GomqError INVALID_ARGUMENT  the options contradict each other */
  constructor(globals: GlobalOptions, notes: Notes) {
    this.#addresses = globals.connect
    this.#options = connectOptionsOf(withoutSessionAndWill(globals))
    this.#notes = notes
  }

  /**
   * Connects once more.
   * @param own  options of this connection, its client id for example
   * @throws GomqError UNAVAILABLE  no broker answers; the message says what to do
   */
  open(own: ConnectOptions = {}): Promise<GomqClient> {
    const opening = this.#open(own)
    this.#opened.push(opening)
    return opening
  }

  /**
   * Says goodbye and has the broker forget everything that it keeps for the client id.
   * @throws GomqError  the broker does not answer; it forgets when the session expires
   */
  async discard(mq: GomqClient): Promise<void> {
    const { clientId } = mq
    await this.#close(mq)
    await this.#close(await this.open({ clientId, cleanSession: true }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const outcomes = await Promise.allSettled(this.#opened)
    await Promise.all(outcomes.map((each) => (each.status === 'fulfilled' ? this.#close(each.value) : undefined)))
  }

  #close(mq: GomqClient): Promise<void> {
    this.#leaving.add(mq)
    return mq.close({ timeoutMs: CLOSE_TIMEOUT_MS })
  }

  async #open(own: ConnectOptions): Promise<GomqClient> {
    const mq = await connect(this.#addresses, { ...this.#options, ...own }).catch((error: unknown) => {
      throw explainConnectFailure(error, this.#addresses)
    })
    mq.on('disconnected', ({ message }) => {
      if (this.#leaving.has(mq)) return
      if (this.#lost.size === 0)
        this.#notes.warn(`the connection is lost (${message.replaceAll('gomq://', '')}); trying to connect again`)
      this.#lost.add(mq)
    })
    mq.on('connected', () => {
      this.reconnects++
      if (this.#lost.delete(mq) && this.#lost.size === 0) this.#notes.warn('connected again')
    })
    return mq
  }
}

/** The flags without what belongs to one client: several connections cannot share a session or a will. */
function withoutSessionAndWill(globals: GlobalOptions): ConnectionFlags {
  const { username, password, passwordFile, keepAlive, compression } = globals
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(passwordFile !== undefined && { passwordFile }),
    ...(keepAlive !== undefined && { keepAlive }),
    ...(compression !== undefined && { compression }),
  }
}
