import { ERROR_TABLE, type ErrorCode, GomqError } from '@gomq/client'

/** An entry of one of the broker's lists, as HTTP shows it. */
export type ListEntry = Readonly<Record<string, unknown>>

/** Milliseconds that a page may take; the broker gives up a request after as long. */
const PAGE_TIMEOUT_MS = 30_000
/** Entries that a page is asked for: the most that the broker gives. */
const PAGE_ENTRIES = 1000

/**
 * A whole list of the broker, page by page.
 *
 * @param base  where the broker's HTTP is, such as `http://127.0.0.1:8000`
 * @throws GomqError UNAVAILABLE     nobody answers
 * @throws GomqError PROTOCOL_ERROR  what answers is no broker
 * @throws GomqError                 the problem that the broker answers with
 */
export async function* pagesOf(base: string, list: string): AsyncGenerator<readonly ListEntry[], void> {
  let after: string | undefined
  for (;;) {
    const query = new URLSearchParams({ limit: String(PAGE_ENTRIES), ...(after !== undefined && { after }) })
    const page = await fetchPage(base, `/v1/${list}?${query}`)
    yield page.items
    if (page.next === undefined) return
    if (page.next === after) throw noBroker(base, 'it answers with the same page again')
    after = page.next
  }
}

interface Page {
  readonly items: readonly ListEntry[]
  readonly next?: string
}

async function fetchPage(base: string, path: string): Promise<Page> {
  let status: number
  let text: string
  try {
    const response = await fetch(`${base}${path}`, {
      headers: { accept: 'application/json' },
      redirect: 'manual',
      signal: AbortSignal.timeout(PAGE_TIMEOUT_MS),
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
  if (status === 200 && isPage(body)) return body
  if (isProblem(body))
    throw new GomqError(Object.hasOwn(ERROR_TABLE, body.code) ? (body.code as ErrorCode) : 'UNSPECIFIED', body.detail)
  throw noBroker(base, `status ${status}`)
}

function isPage(body: unknown): body is Page {
  if (typeof body !== 'object' || body === null || !('items' in body) || !Array.isArray(body.items)) return false
  if ('next' in body && typeof body.next !== 'string') return false
  return body.items.every((item) => typeof item === 'object' && item !== null)
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
    return refuse('TIMEOUT', `the broker at ${where} did not answer within ${PAGE_TIMEOUT_MS / 1000} seconds`)
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

function noBroker(base: string, why: string, cause?: unknown): GomqError {
  const where = base.replace(/^http:\/\//, '')
  const message = `what answers at ${where} is not a broker's HTTP (${why}); name its HTTP port with --http host:port`
  return new GomqError('PROTOCOL_ERROR', message, { cause })
}
