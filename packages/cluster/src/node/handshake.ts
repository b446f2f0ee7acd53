import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Socket } from 'node:net'

const MAGIC = Buffer.from('GMQR')
/** 2: heads of messages have a checksum. */
const VERSION = 2
const NONCE_BYTES = 32
const HELLO_BYTES = MAGIC.byteLength + 1 + NONCE_BYTES
const PROOF_BYTES = 32

/** What both ends have to know. */
export interface SharedSecret {
  /** Name of the cluster: a broker of another one is refused also where the secret is the same. */
  readonly cluster: string
  readonly secret: string
}

/**
 * Each end proves that it knows the secret, without sending it; the one that opened the connection proves it first, so that nobody else learns anything.
 *
 *     both:    "GMQR" | u8 version | 32 random bytes
 *     opener:  HMAC-SHA-256(secret, "opener" | cluster | opener's random | acceptor's random)
 *     acceptor: the same with "acceptor"
 *
 * @returns what came behind the handshake already
 * @throws Error  the other end does not know the secret, is no broker, or did not answer in time
 */
export async function shakeHands(
  socket: Socket,
  side: 'opener' | 'acceptor',
  shared: SharedSecret,
  timeoutMs: number,
): Promise<Buffer> {
  const input = new Input(socket, timeoutMs)
  try {
    const mine = randomBytes(NONCE_BYTES)
    socket.write(Buffer.concat([MAGIC, Buffer.of(VERSION), mine]))
    const hello = await input.take(HELLO_BYTES)
    if (!hello.subarray(0, MAGIC.byteLength).equals(MAGIC)) throw new Error('what connected is no broker')
    if (hello[MAGIC.byteLength] !== VERSION)
      throw new Error(`the other broker speaks version ${hello[MAGIC.byteLength]} of replication, this one ${VERSION}`)
    const theirs = hello.subarray(MAGIC.byteLength + 1)
    const nonces = side === 'opener' ? [mine, theirs] : [theirs, mine]
    const prove = () => socket.write(proof(side, shared, nonces))
    const other = side === 'opener' ? 'acceptor' : 'opener'
    if (side === 'opener') prove()
    if (!timingSafeEqual(await input.take(PROOF_BYTES), proof(other, shared, nonces)))
      throw new Error('the other broker has another --cluster-secret or another --cluster')
    if (side === 'acceptor') prove()
    return input.end()
  } catch (error) {
    input.end()
    socket.destroy()
    throw error
  }
}

function proof(side: string, { cluster, secret }: SharedSecret, nonces: readonly Buffer[]): Buffer {
  const hmac = createHmac('sha256', secret).update(`${side}\0${cluster}\0`)
  for (const nonce of nonces) hmac.update(nonce)
  return hmac.digest()
}

/** The first bytes of a socket, piece by piece, within a time for all of them. */
class Input {
  readonly #socket: Socket
  readonly #timer: NodeJS.Timeout
  #bytes = Buffer.alloc(0)
  #wanted = 0
  #resolve: ((bytes: Buffer) => void) | undefined
  #reject: ((error: Error) => void) | undefined
  #failure: Error | undefined

  constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket
    this.#timer = setTimeout(() => this.#fail(new Error('the other broker did not answer in time')), timeoutMs)
    socket.on('data', this.#handleData)
    socket.on('close', this.#handleClose)
  }

  take(bytes: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#wanted = bytes
      this.#resolve = resolve
      this.#reject = reject
      if (this.#failure !== undefined) reject(this.#failure)
      else this.#serve()
    })
  }

  /** Takes no more; the rest is the caller's, and the socket is paused until somebody listens. */
  end(): Buffer {
    clearTimeout(this.#timer)
    this.#socket.pause()
    this.#socket.off('data', this.#handleData)
    this.#socket.off('close', this.#handleClose)
    return this.#bytes
  }

  readonly #handleData = (chunk: Buffer): void => {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    // Nobody sends more than this before the proof; what floods is no broker.
    if (this.#bytes.byteLength > 1 << 20) this.#socket.pause()
    this.#serve()
  }

  readonly #handleClose = (): void => this.#fail(new Error('the other end closed before it had proved the secret'))

  #serve(): void {
    if (this.#resolve === undefined || this.#bytes.byteLength < this.#wanted) return
    const taken = this.#bytes.subarray(0, this.#wanted)
    this.#bytes = this.#bytes.subarray(this.#wanted)
    const resolve = this.#resolve
    this.#resolve = undefined
    this.#reject = undefined
    resolve(taken)
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#reject?.(this.#failure)
    this.#reject = undefined
    this.#resolve = undefined
  }
}
