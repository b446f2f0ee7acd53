import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnackPacket, decodePacket, encodeFrame, FrameSplitter, type Packet, PacketType } from '@gomq/protocol'

const FRAME_BYTES_MAX = 64 * 1024 * 1024
const PACKETS_WITHIN_MS = 20_000

/** A connection that speaks packets and nothing else: every id is the test's own choice. */
export class RawPeer {
  /** What came, in order. */
  readonly received: Packet[] = []
  readonly #socket: Socket
  #onPacket: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    const splitter = new FrameSplitter(FRAME_BYTES_MAX)
    socket.on('error', () => {})
    socket.on('data', (chunk: Uint8Array) => {
      splitter.push(chunk)
      for (let frame = splitter.next(); frame !== undefined; frame = splitter.next())
        this.received.push(decodePacket(frame))
      this.#onPacket()
    })
  }

  /** Connects and says hello with request id 1. */
  static async connect(address: string, clientId: string, features: string[] = []): Promise<RawPeer> {
    const [host, port] = address.split(':')
    const socket = connectTcp({ host: host!, port: Number(port), noDelay: true })
    await once(socket, 'connect')
    const peer = new RawPeer(socket)
    peer.send({
      type: PacketType.CONNECT,
      requestId: 1,
      versionMin: 1,
      versionMax: 1,
      features,
      clientId,
      namespace: null,
      authMethod: null,
      authData: null,
      keepAliveSec: 0,
      agent: 'raw',
      cleanSession: false,
      sessionExpirySec: 3600,
      will: null,
      willDelaySec: 0,
    })
    await peer.until(() => peer.of<ConnackPacket>(PacketType.CONNACK).length === 1)
    return peer
  }

  send(packet: Packet): void {
    this.#socket.write(encodeFrame(packet))
  }

  /** What came of one type. */
  of<P extends Packet>(type: P['type']): P[] {
    return this.received.filter((packet): packet is P => packet.type === type)
  }

  /** Waits for packets until the condition holds. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const types = this.received.map(({ type }) => type).slice(-50)
        reject(new Error(`what was waited for did not come; the last packet types: ${types.join(' ')}`))
      }, PACKETS_WITHIN_MS)
      this.#onPacket = () => {
        if (!condition()) return
        clearTimeout(timer)
        this.#onPacket = () => {}
        resolve()
      }
      this.#onPacket()
    })
  }

  /** Breaks off without goodbye. */
  async destroy(): Promise<void> {
    this.#socket.destroy()
    await once(this.#socket, 'close')
  }
}
