import type { IncomingMessage } from 'node:http'
import { concatBytes, decodeUtf8, GomqError } from '@gomq/protocol'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { HeldBytes } from './held-bytes.js'

/**
 * Takes bodies of JSON and nothing else: bounded one by one and all together, UTF-8 without replacement characters, and without the
 * names that could reach a prototype.
 *
 * @param bytesMax  of one body
 */
export function takeJsonBodies(server: FastifyInstance, bytesMax: number, held: HeldBytes): void {
  server.removeAllContentTypeParsers()
  const parse = server.getDefaultJsonParser('error', 'error')
  server.addContentTypeParser('application/json', (request, payload, done) => {
    readText(request, payload, bytesMax, held).then(
      (text) => {
        // It calls back at once, and promises nothing.
        void parse(request, text, done)
      },
      (error: Error) => done(error),
    )
  })
}

async function readText(
  request: FastifyRequest,
  payload: IncomingMessage,
  bytesMax: number,
  held: HeldBytes,
): Promise<string> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > bytesMax) throw tooLarge(bytesMax)
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    // An iterator that destroyed the request on the way out would take the answer with it.
    for await (const chunk of payload.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      bytes += chunk.byteLength
      if (bytes > bytesMax) throw tooLarge(bytesMax)
      held.hold(request.raw, chunk.byteLength)
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof GomqError) throw error
    throw new GomqError('CONNECTION_LOST', 'the connection ended inside the body', { cause: error })
  }
  try {
    return decodeUtf8(concatBytes(chunks))
  } catch (cause) {
    throw new GomqError('INVALID_ARGUMENT', 'the body is not valid UTF-8; send JSON in UTF-8', { cause })
  }
}

function tooLarge(bytesMax: number): GomqError {
  return new GomqError(
    'MESSAGE_TOO_LARGE',
    `the body has more than ${bytesMax} bytes; send less or raise --message-bytes-max`,
  )
}
