import { connect, type Socket } from 'node:net'
import { concatBytes, encodeFrame, type Packet, PacketType } from '@gomq/protocol'
import { PacketQueue } from './packet-queue.js'
import { connectPacket } from './packets.js'

/** A hand-made client over TCP that may send anything. */
export class TcpClient {
  readonly queue = new PacketQueue()
  readonly socket: Socket

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => this.queue.handleBytes(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => this.queue.handleClosed())
  }

  /** A connection that has said nothing yet. */
  static open(port: number): Promise<TcpClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new TcpClient(socket)))
    })
  }

  /** A connection that has completed CONNECT. */
  static async connect(port: number, clientId: string | null = null, features: string[] = []): Promise<TcpClient> {
    const client = await TcpClient.open(port)
    client.send(connectPacket({ clientId, features }))
    await client.queue.take(PacketType.CONNACK)
    return client
  }

  send(...packets: Packet[]): void {
    this.sendBytes(concatBytes(packets.map(encodeFrame)))
  }

  sendBytes(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  close(): void {
    this.socket.destroy()
  }
}
