import { type ErrorCode, GomqError, type Packet, PacketType, type PubackPacket } from '@gomq/protocol'
import { type DoorHost, doorConnect } from './door-host.js'
import type { Peer } from './peer.js'

interface Waiter {
  resolve(ack: PubackPacket): void
  reject(error: GomqError): void
}

/**
 * The broker's own client: HTTP publishes through it, so that one engine checks, stores and acknowledges whatever door a message
 * came by. Requests beyond the engine's inflight bound wait here.
 */
export class Door implements Peer {
  readonly connectionId: number
  readonly #host: DoorHost
  readonly #waiters = new Map<number, Waiter>()
  #waiting: { batch: Uint8Array; waiter: Waiter }[] = []
  #inflightMax = 0
  #nextRequestId = 2
  #closed: GomqError | undefined

  constructor(connectionId: number, host: DoorHost) {
    this.connectionId = connectionId
    this.#host = host
  }

  /** Introduces the door to the engine. */
  connect(agent: string): void {
    this.#host.handleDoorPacket(this, doorConnect(agent))
  }

  /**
   * Stores a batch of QoS 1, or a retained one, and settles when it is safe.
   * @throws GomqError  as the engine refuses it; SHUTTING_DOWN when the broker stops first
   */
  publish(batch: Uint8Array): Promise<PubackPacket> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) reject(this.#closed)
      else if (this.#waiters.size >= this.#inflightMax) this.#waiting.push({ batch, waiter: { resolve, reject } })
      else this.#publishNow(batch, { resolve, reject })
    })
  }

  /**
   * Hands over a batch of QoS 0, for those who are connected now or, if it is retained, for the log. It carries a number all the same:
   * the engine answers a refusal with ERROR then, where it would close the connection of a client that wants no answer.
   * @throws GomqError  as the engine refuses it; SHUTTING_DOWN when the broker is stopping
   */
  publishUnacknowledged(batch: Uint8Array): void {
    if (this.#closed !== undefined) throw this.#closed
    const refusal: { error?: GomqError } = {}
    const requestId = this.#publishNow(batch, {
      resolve: () => undefined,
      reject: (error) => {
        refusal.error = error
      },
    })
    this.#waiters.delete(requestId)
    if (refusal.error !== undefined) throw refusal.error
  }

  /** Keeps the engine from taking the door for dead. */
  ping(): void {
    if (this.#closed === undefined) this.#host.handleDoorPacket(this, { type: PacketType.PINGREQ, requestId: 1 })
  }

  send(packet: Packet): void {
    if (packet.type === PacketType.CONNACK) this.#inflightMax = packet.inflightBatchesMax
    else if (packet.type === PacketType.PUBACK) this.#take(packet.requestId)?.resolve(packet)
    else if (packet.type === PacketType.ERROR)
      this.#take(packet.requestId)?.reject(new GomqError(packet.code, packet.message))
    else if (packet.type === PacketType.DISCONNECT) this.#end(packet.code ?? 'SHUTTING_DOWN', packet.message)
  }

  close(): void {
    this.#end('SHUTTING_DOWN', 'the broker is stopping; try again later')
  }

  flush(): void {
    while (this.#waiting.length > 0 && this.#waiters.size < this.#inflightMax && this.#closed === undefined) {
      const { batch, waiter } = this.#waiting.shift()!
      this.#publishNow(batch, waiter)
    }
  }

  #publishNow(batch: Uint8Array, waiter: Waiter): number {
    const requestId = this.#nextRequestId
    this.#nextRequestId = requestId === 0xffff_ffff ? 2 : requestId + 1
    this.#waiters.set(requestId, waiter)
    this.#host.handleDoorPacket(this, { type: PacketType.PUBLISH, requestId, batch })
    return requestId
  }

  #take(requestId: number): Waiter | undefined {
    const waiter = this.#waiters.get(requestId)
    this.#waiters.delete(requestId)
    return waiter
  }

  #end(code: ErrorCode, message: string): void {
    this.#closed ??= new GomqError(code, message)
    for (const waiter of this.#waiters.values()) waiter.reject(this.#closed)
    for (const { waiter } of this.#waiting) waiter.reject(this.#closed)
    this.#waiters.clear()
    this.#waiting = []
  }
}
