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
    readText(request, payload, bytesMax, held, (error, text) => {
      if (error !== null) done(error)
      // Many clients name the type of a body that they do not send.
      else if (text === '' && request.method === 'DELETE') done(null)
      // It calls back at once, and promises nothing.
      else void parse(request, text, done)
    })
  })
}

/** Reads the body; `done` is called once. What comes after a refusal is dropped. */
function readText(
  request: FastifyRequest,
  payload: IncomingMessage,
  bytesMax: number,
  held: HeldBytes,
  done: (error: GomqError | null, text: string) => void,
): void {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) {
    done(tooLarge(bytesMax), '')
    return
  }
  let chunks: Uint8Array[] = []
  let bytes = 0
  let isDone = false
  const finish = (error: GomqError | null, text = ''): void => {
    if (isDone) return
    isDone = true
    chunks = []
    done(error, text)
  }
  payload.on('data', (chunk: Uint8Array) => {
    if (isDone) return
    bytes += chunk.byteLength
    if (bytes > bytesMax) return finish(tooLarge(bytesMax))
    try {
      held.hold(request.raw, chunk.byteLength)
    } catch (error) {
      return finish(GomqError.from(error))
    }
    chunks.push(chunk)
  })
  payload.on('end', () => {
    if (isDone) return
    let text: string
    try {
      text = decodeUtf8(chunks.length === 1 ? chunks[0]! : concatBytes(chunks))
    } catch (cause) {
      return finish(new GomqError('INVALID_ARGUMENT', 'the body is not valid UTF-8; send JSON in UTF-8', { cause }))
    }
    finish(null, text)
  })
  const lost = () => {
    if (!isDone) finish(new GomqError('CONNECTION_LOST', 'the connection ended inside the body'))
  }
  payload.on('error', lost)
  payload.on('close', lost)
}

function tooLarge(bytesMax: number): GomqError {
  return new GomqError(
    'MESSAGE_TOO_LARGE',
    `the body has more than ${bytesMax} bytes; send less or raise --message-bytes-max`,
  )
}
