import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net'
import { decodePacket, FRAME_LENGTH_BYTES, FrameSplitter, type Packet } from '@gomq/protocol'

const FRAME_BYTES_MAX = 64 * 1024 * 1024

/** Where a connection is cut: around the n-th packet of a type, counted from when the cut was set. */
export interface Cut {
  readonly type: Packet['type']
  /** Which of them, from 1. */
  readonly nth: number
  /** `before`: the packet does not arrive. `within`: half of it does. `after`: it is the last one that does. */
  readonly when: 'before' | 'within' | 'after'
}

interface Pair {
  readonly client: Socket
  readonly broker: Socket
}

/**
 * A TCP proxy on loopback between clients and a broker that knows frames: it forwards them whole and cuts connections where it is told.
 * A packet's type tells its direction.
 */
export class FrameProxy {
  readonly #server: Server
  readonly #target: () => string
  readonly #pairs = new Set<Pair>()
  #cut: Cut | undefined
  #seen = 0
  #onCut: (() => void) | undefined

  private constructor(server: Server, target: () => string) {
    this.#server = server
    this.#target = target
    server.on('connection', (client) => this.#serve(client))
  }

  /** @param target  host:port of the broker, asked at each connection */
  static async start(target: () => string): Promise<FrameProxy> {
    const server = createServer({ noDelay: true })
    const proxy = new FrameProxy(server, target)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  /** For `connect` of the client. */
  get url(): string {
    return `gomq://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Connections that stand. */
  get connections(): number {
    return this.#pairs.size
  }

  /** Cuts once, where `cut` says; resolves when it has. */
  cutAt(cut: Cut): Promise<void> {
    this.#cut = cut
    this.#seen = 0
    return new Promise((resolve) => (this.#onCut = resolve))
  }

  /** Cuts every connection now, in the middle of whatever is under way. */
  drop(): void {
    for (const pair of this.#pairs) this.#break(pair)
  }

  /** Cuts one of them now. @param at  from 0 to below {@link connections} */
  dropOne(at: number): void {
    const pair = [...this.#pairs][at]
    if (pair !== undefined) this.#break(pair)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drop()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(client: Socket): void {
    const [host, port] = this.#target().split(':')
    const broker = connectTcp({ host: host!, port: Number(port), noDelay: true })
    const pair = { client, broker }
    this.#pairs.add(pair)
    this.#forward(pair, client, broker)
    this.#forward(pair, broker, client)
  }

  #forward(pair: Pair, from: Socket, to: Socket): void {
    const splitter = new FrameSplitter(FRAME_BYTES_MAX)
    from.on('data', (chunk) => {
      splitter.push(chunk)
      for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) {
        const when = this.#isAt(frame) ? this.#cut!.when : undefined
        if (when === 'before') return this.#fire(pair)
        const length = Buffer.alloc(FRAME_LENGTH_BYTES)
        length.writeUInt32LE(frame.byteLength)
        to.write(length)
        to.write(when === 'within' ? frame.subarray(0, frame.byteLength >> 1) : frame)
        if (when !== undefined) return this.#fire(pair, to)
      }
    })
    from.on('error', () => {})
    from.on('close', () => this.#break(pair))
  }

  #isAt(frame: Uint8Array): boolean {
    const cut = this.#cut
    return cut !== undefined && decodePacket(frame).type === cut.type && ++this.#seen === cut.nth
  }

  /** @param last  the side that is to get what was forwarded before the end */
  #fire(pair: Pair, last?: Socket): void {
    const onCut = this.#onCut
    this.#cut = undefined
    this.#onCut = undefined
    this.#pairs.delete(pair)
    for (const socket of [pair.client, pair.broker]) {
      socket.removeAllListeners('data')
      if (socket === last) socket.end(() => socket.destroy())
      else socket.destroy()
    }
    onCut?.()
  }

  #break(pair: Pair): void {
    this.#pairs.delete(pair)
    pair.client.destroy()
    pair.broker.destroy()
  }
}
