import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net'
import { Flow, type Passage } from './fault-flow.js'
import { ownerOfPort } from './port-owner.js'

/** How both directions of a connection are treated; what is not named passes. */
export interface Passages {
  readonly toTarget?: Passage
  readonly fromTarget?: Passage
}

/** Nothing comes through, and nobody is told. */
export const BLACK_HOLE: Passages = { toTarget: { isHeld: true }, fromTarget: { isHeld: true } }

interface Pair {
  /** Process that connected. */
  readonly source: number | undefined
  readonly sockets: readonly [Socket, Socket]
  readonly toTarget: Flow
  readonly fromTarget: Flow
}

/** How long replies are kept back before their connection is broken: longer than who asked waits for them. */
const LOST_AFTER_MS = 2_500

/**
 * A TCP proxy on loopback that can treat what comes from each process in its own way: hold it as a network does that has gone silent (what
 * is held arrives when it passes again), slow it down, cut it, lose the reply of a certain request.
 */
export class FaultProxy {
  readonly #server: Server
  readonly #target: string
  readonly #processes: () => readonly number[]
  readonly #pairs = new Set<Pair>()
  readonly #passages = new Map<number | undefined, Passages>()
  #losing: { readonly isRequest: (chunk: Buffer) => boolean; readonly onLost: () => void } | undefined

  private constructor(server: Server, target: string, processes: () => readonly number[]) {
    this.#server = server
    this.#target = target
    this.#processes = processes
    server.on('connection', (client) => this.#serve(client))
  }

  /**
   * @param target  host:port
   * @param processes  ids of the processes that may connect, to know which of them did
   */
  static async start(target: string, processes: () => readonly number[] = () => []): Promise<FaultProxy> {
    const server = createServer({ noDelay: true })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new FaultProxy(server, target, processes)
  }

  /** host:port to connect to. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** From now on connections from the process `source` are treated so; from any other, if it is undefined. */
  treat(source: number | undefined, passages: Passages): void {
    this.#passages.set(source, passages)
    for (const pair of this.#pairs) if (this.#passagesOf(pair.source) === passages) this.#apply(pair, passages)
  }

  /** Everything passes again. */
  heal(): void {
    this.#passages.clear()
    for (const pair of this.#pairs) this.#apply(pair, {})
  }

  /** Cuts all connections now. */
  cut(): void {
    for (const pair of this.#pairs) this.#break(pair)
  }

  /** The reply to the next such request never comes: the request arrives, and after a while its connection breaks. Resolves then. */
  loseReplyTo(isRequest: (chunk: Buffer) => boolean): Promise<void> {
    return new Promise((onLost) => (this.#losing = { isRequest, onLost }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(client: Socket): void {
    const source = ownerOfPort(client.remotePort!, this.#processes())
    const [host, port] = this.#target.split(':')
    const target = connectTcp({ host: host!, port: Number(port), noDelay: true })
    const pair: Pair = {
      source,
      sockets: [client, target],
      toTarget: new Flow(client, target),
      fromTarget: new Flow(target, client),
    }
    this.#pairs.add(pair)
    this.#apply(pair, this.#passagesOf(source))
    client.on('data', (chunk: Buffer) => {
      this.#watchFor(pair, chunk)
      pair.toTarget.push(chunk)
    })
    target.on('data', (chunk: Buffer) => pair.fromTarget.push(chunk))
    for (const [socket, flow] of [
      [client, pair.toTarget],
      [target, pair.fromTarget],
    ] as const) {
      socket.on('error', () => {})
      // The end of a side is told to the other one behind all that it has said.
      socket.on('close', () => flow.end(() => this.#break(pair)))
    }
  }

  #watchFor(pair: Pair, chunk: Buffer): void {
    const losing = this.#losing
    if (losing?.isRequest(chunk) !== true) return
    this.#losing = undefined
    pair.fromTarget.treat({ isHeld: true })
    setTimeout(() => {
      this.#break(pair)
      losing.onLost()
    }, LOST_AFTER_MS)
  }

  #passagesOf(source: number | undefined): Passages {
    return this.#passages.get(source) ?? this.#passages.get(undefined) ?? {}
  }

  #apply(pair: Pair, { toTarget = {}, fromTarget = {} }: Passages): void {
    pair.toTarget.treat(toTarget)
    pair.fromTarget.treat(fromTarget)
  }

  #break(pair: Pair): void {
    this.#pairs.delete(pair)
    for (const flow of [pair.toTarget, pair.fromTarget]) flow.stop()
    for (const socket of pair.sockets) socket.destroy()
  }
}
