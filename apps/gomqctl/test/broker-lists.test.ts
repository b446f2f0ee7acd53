import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import type { ErrorCode } from '@gomq/client'
import { expect, onTestFinished, test } from 'vitest'
import { explainFetchFailure } from '../src/broker-http.js'
import { type ListEntry, pagesOf } from '../src/broker-lists.js'

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function all(base: string): Promise<ListEntry[]> {
  const entries: ListEntry[] = []
  for await (const page of pagesOf(base, 'topics')) entries.push(...page)
  return entries
}

const refusal = (code: ErrorCode, said: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(said) })

test('every page is asked for, with the place behind the one before as it came', async () => {
  const asked: string[] = []
  const base = await serve((request, response) => {
    const url = new URL(request.url!, 'http://x')
    asked.push(`${url.pathname} ${url.searchParams.get('limit')} ${url.searchParams.get('after')}`)
    const i = asked.length
    response.end(JSON.stringify({ items: i === 2 ? [] : [{ i }], ...(i < 3 && { next: `a&b=${i}/€ +` }) }))
  })
  expect(await all(base)).toEqual([{ i: 1 }, { i: 3 }])
  expect(asked).toEqual(['/v1/topics 1000 null', '/v1/topics 1000 a&b=1/€ +', '/v1/topics 1000 a&b=2/€ +'])
})

test.each([
  [429, { code: 'LIMIT_EXCEEDED', detail: 'too much at once' }, 'LIMIT_EXCEEDED', /^too much at once$/],
  [503, { code: 'SHUTTING_DOWN', detail: 'stopping' }, 'SHUTTING_DOWN', /^stopping$/],
  [418, { code: 'TEAPOT', detail: 'short and stout' }, 'UNSPECIFIED', /^short and stout$/],
  [404, { error: 'x' }, 'PROTOCOL_ERROR', /is not a broker's HTTP \(status 404\).*--http/],
  [200, { items: [1] }, 'PROTOCOL_ERROR', /is not a broker's HTTP/],
  [200, { items: [], next: 3 }, 'PROTOCOL_ERROR', /is not a broker's HTTP/],
  [200, 'text', 'PROTOCOL_ERROR', /is not a broker's HTTP/],
  [302, { items: [] }, 'PROTOCOL_ERROR', /is not a broker's HTTP/],
] as const)('status %i with %j is an error with a clear message', async (status, body, code, said) => {
  const base = await serve((_request, response) =>
    response.writeHead(status, { location: '/x' }).end(JSON.stringify(body)),
  )
  await expect(all(base)).rejects.toThrow(refusal(code, said))
})

test('what answers without JSON, or without end, is no broker', async () => {
  const page = await serve((_request, response) => response.end('<html>'))
  await expect(all(page)).rejects.toThrow(refusal('PROTOCOL_ERROR', /without JSON/))
  const endless = await serve((_request, response) => response.end('{"items":[],"next":"again"}'))
  await expect(all(endless)).rejects.toThrow(refusal('PROTOCOL_ERROR', /the same page again/))
})

test.each([
  ['ends the connection', ''],
  ['does not speak HTTP', 'gomq says hello\r\n\r\n'],
])('a port that %s is no HTTP of a broker', async (said, bytes) => {
  const server = createTcpServer((socket) => socket.end(bytes))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await expect(all(base)).rejects.toThrow(refusal('PROTOCOL_ERROR', new RegExp(said)))
})

test.each([
  ['ECONNREFUSED', 'UNAVAILABLE', /^no broker answers HTTP at a:1; start one/],
  ['ENOTFOUND', 'UNAVAILABLE', /^a:1 is no host/],
  ['EHOSTUNREACH', 'UNAVAILABLE', /^no broker answers HTTP at a:1 \(why\)/],
] as const)('%s says what to do', (systemCode, code, said) => {
  const cause = Object.assign(new Error('why'), { code: systemCode })
  expect(explainFetchFailure(new TypeError('fetch failed', { cause }), 'http://a:1')).toEqual(refusal(code, said))
})

test('a port that fetch refuses is wrong usage', async () => {
  await expect(all('http://127.0.0.1:1')).rejects.toThrow(
    refusal('INVALID_ARGUMENT', /a port that no HTTP client uses/),
  )
})

test('a broker that does not answer in time can be asked again', () => {
  const error = explainFetchFailure(new DOMException('aborted', 'TimeoutError'), 'http://a:1')
  expect(error).toEqual(refusal('TIMEOUT', /a:1 did not answer within 30 seconds/))
  expect(error.retriable).toBe(true)
})
