import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type ErrorCode, encodeFrame, PacketType } from '@gomq/protocol'
import type { BrokerLog } from '../broker-log.js'
import type { Wire, WireHandler } from '../wire.js'
import { isLoopback } from './configuration/loopback.js'
import type { Endpoint } from './configuration/values.js'
import { TcpWire } from './tcp-wire.js'

/** Idle time after which the operating system probes whether the peer still exists. */
const TCP_KEEP_ALIVE_MS = 60_000

/** Connections that the operating system holds for us before we accept them: a burst of reconnecting clients fits. */
const BACKLOG = 1024

/** Where a listener listens and what it bounds. */
export interface TcpListenerOptions {
  readonly endpoint: Endpoint
  /** Connections at a time; more are closed with LIMIT_EXCEEDED. */
  readonly connectionsMax: number
  /** Connections at a time from one address, loopback exempt. */
  readonly connectionsPerAddressMax: number
  readonly log: BrokerLog
  /** Takes a new connection. */
  accept(wire: Wire): WireHandler
}

/** Accepts native clients over TCP and bounds how many there are. */
export class TcpListener {
  readonly #options: TcpListenerOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #perAddress = new Map<string, number>()

  constructor(options: TcpListenerOptions) {
    this.#options = options
    this.#server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
      allowHalfOpen: true,
    })
    this.#server.on('connection', (socket) => this.#handleSocket(socket))
  }

  /** Begins to listen. @throws Error of the operating system, such as EADDRINUSE */
  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ ...this.#options.endpoint, backlog: BACKLOG }, () => {
        this.#server.off('error', reject)
        this.#server.on('error', (error) => this.#options.log.error({ err: error }, 'the TCP listener has an error'))
        resolve()
      })
    })
  }

  /** Where it really listens. */
  get endpoint(): Endpoint {
    const { address, port } = this.#server.address() as AddressInfo
    return { host: address, port }
  }

  /** Stops accepting; open connections stay. */
  close(): void {
    this.#server.close()
  }

  /** Cuts every connection that is still open. */
  destroyConnections(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #handleSocket(socket: Socket): void {
    const address = socket.remoteAddress
    if (address === undefined) {
      socket.destroy()
      return
    }
    const count = (this.#perAddress.get(address) ?? 0) + 1
    this.#perAddress.set(address, count)
    this.#sockets.add(socket)
    socket.once('close', () => this.#forget(socket, address))
    const { connectionsMax, connectionsPerAddressMax } = this.#options
    if (this.#sockets.size > connectionsMax) {
      refuse(
        socket,
        'LIMIT_EXCEEDED',
        `the broker has ${connectionsMax} connections, its limit; raise --connections-max or try later`,
      )
    } else if (count > connectionsPerAddressMax && !isLoopback(address)) {
      refuse(
        socket,
        'LIMIT_EXCEEDED',
        `${connectionsPerAddressMax} connections from one address are the limit; raise --connections-per-address-max or close some`,
      )
    } else {
      const wire = new TcpWire(socket, `${address}:${socket.remotePort}`)
      wire.start(this.#options.accept(wire))
    }
  }

  #forget(socket: Socket, address: string): void {
    this.#sockets.delete(socket)
    const count = (this.#perAddress.get(address) ?? 1) - 1
    if (count === 0) this.#perAddress.delete(address)
    else this.#perAddress.set(address, count)
  }
}

/** Says why, and closes, without the connection ever reaching the broker. */
function refuse(socket: Socket, code: ErrorCode, message: string): void {
  const wire = new TcpWire(socket, '')
  wire.start({ handleBytes: () => undefined, handleProgress: () => undefined, handleClosed: () => undefined })
  wire.write([encodeFrame({ type: PacketType.DISCONNECT, code, message })])
  wire.end()
}
