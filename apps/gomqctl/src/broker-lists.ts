import { askBroker, noBroker } from './broker-http.js'

/** An entry of one of the broker's lists, as HTTP shows it. */
export type ListEntry = Readonly<Record<string, unknown>>

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
  const page = await askBroker(base, path)
  if (isPage(page)) return page
  throw noBroker(base, 'status 200')
}

function isPage(body: unknown): body is Page {
  if (typeof body !== 'object' || body === null || !('items' in body) || !Array.isArray(body.items)) return false
  if ('next' in body && typeof body.next !== 'string') return false
  return body.items.every((item) => typeof item === 'object' && item !== null)
}
