import { connect, createServer, type Server, type Socket } from 'node:net'
import { GomqError } from '@gomq/protocol'
import type { Link, LinkFailure, LinkHandler, Transport } from '../transport.js'
import { type SharedSecret, shakeHands } from './handshake.js'
import { TcpLink } from './tcp-link.js'

/** Time for a connection to stand, and for its handshake, where nothing else is said. */
const HANDSHAKE_TIMEOUT_MS = 3_000

/** Connections that are not through the handshake, at once; more are refused. */
const STRANGERS_MAX = 64

/** What the transport needs. */
export interface TcpTransportOptions extends SharedSecret {
  readonly listen: { readonly host: string; readonly port: number }
  /** Time for a connection to stand, and for its handshake; 3 s by default. */
  readonly handshakeTimeoutMs?: number
  /** Told why a connection was refused or broken off; by default nobody is. */
  readonly onRefused?: (remote: string, reason: string) => void
}

/** Links over TCP, on a port of their own. */
export class TcpTransport implements Transport {
  readonly #options: TcpTransportOptions
  readonly #sockets = new Set<Socket>()
  #strangers = 0
  #server: Server | undefined
  #isClosed = false

  constructor(options: TcpTransportOptions) {
    this.#options = options
  }

  get #timeoutMs(): number {
    return this.#options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS
  }

  /** The port that is listened on, for who asked for port 0. */
  get port(): number {
    const address = this.#server?.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** @throws GomqError CONFIG_INVALID  the address cannot be listened on */
  listen(accept: (link: Link) => LinkHandler): Promise<void> {
    const { host, port } = this.#options.listen
    const server = createServer({ noDelay: true, pauseOnConnect: false }, (socket) => {
      if (this.#strangers >= STRANGERS_MAX) socket.destroy()
      else void this.#greet(socket, 'acceptor', accept).catch(() => undefined)
    })
    this.#server = server
    return new Promise((resolve, reject) => {
      server.once('error', (cause) =>
        reject(
          new GomqError(
            'CONFIG_INVALID',
            `cannot listen for the other brokers on ${host}:${port}: ${cause.message}; choose another --replication`,
            { cause },
          ),
        ),
      )
      server.listen(port, host, resolve)
    })
  }

  open(address: string, accept: (link: Link) => LinkHandler, onFailed: (reason: LinkFailure) => void): () => void {
    const colon = address.lastIndexOf(':')
    const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
    const socket = connect({ host, port: Number(address.slice(colon + 1)), noDelay: true })
    let isGivenUp = false
    const fail = (reason: LinkFailure) => {
      clearTimeout(timer)
      if (isGivenUp) return
      isGivenUp = true
      socket.destroy()
      onFailed(reason)
    }
    const timer = setTimeout(() => fail('failed'), this.#timeoutMs)
    this.#sockets.add(socket)
    const onError = (error: NodeJS.ErrnoException) => fail(error.code === 'ECONNREFUSED' ? 'refused' : 'failed')
    socket.once('error', onError)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', onError)
      if (isGivenUp) return
      this.#greet(socket, 'opener', (link) => accept(link)).catch(() => fail('failed'))
    })
    return () => {
      isGivenUp = true
      clearTimeout(timer)
      socket.destroy()
    }
  }

  /** Links gather what comes in one turn, and write it at its next tick. */
  flushed(): Promise<void> {
    return new Promise((resolve) => process.nextTick(resolve))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const server = this.#server
    const closed = new Promise<void>((resolve) => (server?.listening ? server.close(() => resolve()) : resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #greet(socket: Socket, side: 'opener' | 'acceptor', accept: (link: Link) => LinkHandler): Promise<void> {
    const remote = `${socket.remoteAddress}:${socket.remotePort}`
    const refuse = (reason: string) => this.#options.onRefused?.(remote, reason)
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => this.#sockets.delete(socket))
    this.#strangers++
    try {
      const first = await shakeHands(socket, side, this.#options, this.#timeoutMs)
      if (this.#isClosed || socket.destroyed) throw new Error('it was closed meanwhile')
      socket.setKeepAlive(true, 5_000)
      const link = new TcpLink(socket, remote, refuse)
      link.start(accept(link), first)
    } catch (error) {
      socket.destroy()
      if (!this.#isClosed) refuse(error instanceof Error ? error.message : String(error))
      throw error
    } finally {
      this.#strangers--
    }
  }
}
