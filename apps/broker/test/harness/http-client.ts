import { request } from 'node:http'

/** Something that serves HTTP on loopback. */
export interface HttpTarget {
  readonly http: { readonly port: number } | undefined
}

/** An answer, its body taken for JSON. */
export interface Answer {
  status: number
  type: string
  json: Record<string, unknown>
}

/** One request on a connection of its own. */
export function call(
  broker: HttpTarget,
  method: string,
  path: string,
  body?: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { port } = broker.http!
    const outgoing = request({
      host: '127.0.0.1',
      port,
      method,
      path,
      agent: false,
      headers: { 'content-type': 'application/json', ...headers },
    })
    outgoing.on('error', reject)
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const json = text === '' ? {} : JSON.parse(text)
        resolve({ status: incoming.statusCode ?? 0, type: incoming.headers['content-type'] ?? '', json })
      })
    })
    outgoing.end(body)
  })
}

/** `POST /pub` of a message. */
export const publish = (broker: HttpTarget, message: unknown): Promise<Answer> =>
  call(broker, 'POST', '/pub', JSON.stringify(message))
