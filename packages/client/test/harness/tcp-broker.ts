import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { decodePacket, encodeFrame, FrameSplitter, type Packet, PacketType } from '@gomq/protocol'
import { ScriptedBroker } from './scripted-broker.js'

/** A scripted broker on a TCP port of its own, on loopback. */
export class TcpBroker {
  readonly broker: ScriptedBroker = new ScriptedBroker()
  readonly received: Packet[] = []
  /** Looks at each packet first; what it returns is sent instead of the broker's answer. */
  intercept: (packet: Packet) => Packet[] | undefined = () => undefined
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket) => this.#serve(socket))
  }

  static async start(port = 0): Promise<TcpBroker> {
    const server = createServer()
    const broker = new TcpBroker(server)
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    return broker
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `gomq://127.0.0.1:${this.port}`
  }

  /** Breaks every connection. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.broker.handleClosed()
  }

  push(...packets: Packet[]): void {
    for (const socket of this.#sockets) for (const packet of packets) socket.write(encodeFrame(packet))
  }

  async stop(): Promise<void> {
    this.drop()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  count(type: Packet['type']): number {
    return this.received.filter((packet) => packet.type === type).length
  }

  #serve(socket: Socket): void {
    this.connections++
    this.#sockets.add(socket)
    const splitter = new FrameSplitter(16_000_000)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', (chunk) => {
      splitter.push(chunk)
      for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) {
        const packet = decodePacket(frame)
        this.received.push(packet)
        if (packet.type === PacketType.DISCONNECT) socket.end()
        for (const answer of this.intercept(packet) ?? this.broker.handle(packet)) socket.write(encodeFrame(answer))
      }
    })
  }
}
