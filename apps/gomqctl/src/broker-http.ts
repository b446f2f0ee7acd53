import { ERROR_TABLE, type ErrorCode, GomqError } from '@gomq/client'

/** Milliseconds that an answer may take; the broker gives up a request after as long. */
const ANSWER_TIMEOUT_MS = 30_000

/** A request beyond a plain GET. */
export interface BrokerRequest {
  readonly method: 'PUT' | 'DELETE'
  /** Sent as JSON. */
  readonly body?: unknown
}

/**
 * What the broker's HTTP answers with status 200, as JSON.
 *
 * @param base  where the broker's HTTP is, such as `http://127.0.0.1:8000`
 * @throws GomqError UNAVAILABLE     nobody answers
 * @throws GomqError PROTOCOL_ERROR  what answers is no broker
 * @throws GomqError                 the problem that the broker answers with
 */
export async function askBroker(base: string, path: string, request?: BrokerRequest): Promise<unknown> {
  let status: number
  let text: string
  try {
    const response = await fetch(`${base}${path}`, {
      method: request?.method ?? 'GET',
      headers: {
        accept: 'application/json',
        ...(request?.body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(request?.body !== undefined && { body: JSON.stringify(request.body) }),
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    })
    status = response.status
    text = await response.text()
  } catch (cause) {
    throw explainFetchFailure(cause, base)
  }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw noBroker(base, `status ${status} without JSON`)
  }
  if (status === 200) return body
  if (isProblem(body))
    throw new GomqError(Object.hasOwn(ERROR_TABLE, body.code) ? (body.code as ErrorCode) : 'UNSPECIFIED', body.detail)
  throw noBroker(base, `status ${status}`)
}

function isProblem(body: unknown): body is { readonly code: string; readonly detail: string } {
  if (typeof body !== 'object' || body === null || !('code' in body) || !('detail' in body)) return false
  return typeof body.code === 'string' && typeof body.detail === 'string'
}

/** The failure of `fetch` with what to do about it. */
export function explainFetchFailure(failure: unknown, base: string): GomqError {
  const where = base.replace(/^http:\/\//, '')
  const cause = (failure as Error).cause as NodeJS.ErrnoException | undefined
  const refuse = (code: ErrorCode, message: string) => new GomqError(code, message, { cause: failure })
  if ((failure as Error).name === 'TimeoutError')
    return refuse('TIMEOUT', `the broker at ${where} did not answer within ${ANSWER_TIMEOUT_MS / 1000} seconds`)
  if (cause?.message === 'bad port')
    return refuse('INVALID_ARGUMENT', `${where} has a port that no HTTP client uses; let the broker listen on another`)
  switch (cause?.code) {
    case 'ECONNREFUSED':
      return refuse(
        'UNAVAILABLE',
        `no broker answers HTTP at ${where}; start one there (npx gomq) or name another with --http host:port`,
      )
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return refuse('UNAVAILABLE', `${where} is no host that can be found; name the broker with --http host:port`)
    case 'UND_ERR_SOCKET':
      return noBroker(base, 'it ends the connection', failure)
    default:
      if (cause?.code?.startsWith('HPE_') === true) return noBroker(base, 'it does not speak HTTP', failure)
      return refuse(
        'UNAVAILABLE',
        `no broker answers HTTP at ${where} (${cause?.message ?? (failure as Error).message}); is it running, and is --http right?`,
      )
  }
}

/** What answers is not a broker's HTTP. */
export function noBroker(base: string, why: string, cause?: unknown): GomqError {
  const where = base.replace(/^http:\/\//, '')
  const message = `what answers at ${where} is not a broker's HTTP (${why}); name its HTTP port with --http host:port`
  return new GomqError('PROTOCOL_ERROR', message, { cause })
}
