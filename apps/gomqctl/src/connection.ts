import { connect, type GomqClient, GomqError } from '@gomq/client'
import { connectOptionsOf } from './connection-options.js'
import type { Notes } from './notes.js'
import { type GlobalOptions, withoutScheme } from './options.js'

/** Milliseconds that closing may take: what is not acknowledged by then stays so. */
const CLOSE_TIMEOUT_MS = 2000

/**
 * Connects to the broker that the options name, does the work and disconnects. Says when the connection is lost meanwhile and when it
 * is back.
 * @throws GomqError UNAVAILABLE  no broker answers; the message says what to do
 */
export async function withBroker<T>(
  options: GlobalOptions,
  notes: Notes,
  work: (mq: GomqClient) => Promise<T>,
): Promise<T> {
  const mq = await connect(options.connect, connectOptionsOf(options)).catch((error: unknown) => {
    throw explainConnectFailure(error, options.connect)
  })
  const listeners = [
    mq.on('disconnected', ({ message }) =>
      notes.warn(`the connection is lost (${message.replaceAll('gomq://', '')}); trying to connect again`),
    ),
    mq.on('connected', () => notes.warn('connected again')),
  ]
  try {
    return await work(mq)
  } finally {
    for (const stopListening of listeners) stopListening()
    await mq.close({ timeoutMs: CLOSE_TIMEOUT_MS })
  }
}

/** The failure to connect with what to do about it. */
export function explainConnectFailure(failure: unknown, urls: readonly string[]): GomqError {
  const error = GomqError.from(failure)
  const where = urls.map(withoutScheme).join(', ')
  const advice = adviceFor(error, where)
  return advice === undefined ? error : new GomqError(error.code, advice, { cause: error })
}

function adviceFor(error: GomqError, where: string): string | undefined {
  const systemCode = (error.cause as NodeJS.ErrnoException | undefined)?.code
  switch (error.code) {
    case 'UNAVAILABLE':
      if (systemCode === 'ECONNREFUSED')
        return `no broker listens at ${where}; start one there (npx gomq) or name another with --connect host:port`
      if (systemCode === 'ENOTFOUND' || systemCode === 'EAI_AGAIN')
        return `${where} is no host that can be found; name the broker with --connect host:port`
      return `no broker answers at ${where} (${error.message}); is it running, and is --connect right?`
    case 'FRAME_TOO_LARGE':
    case 'MALFORMED_FRAME':
    case 'PROTOCOL_ERROR':
      return `what answers at ${where} does not speak GoMQ's protocol; if it is the HTTP port, name the broker's TCP port with --connect host:port`
    default:
      return undefined
  }
}
