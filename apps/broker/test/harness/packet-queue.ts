import { DeliveredRecords, decodePacket, decodeUtf8, FrameSplitter, type Packet, PacketType } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'

type PacketOf<T extends Packet['type']> = Extract<Packet, { type: T }>

/** Packets that arrived, taken by type in whatever order a test wants them. */
export class PacketQueue {
  readonly packets: Packet[] = []
  isClosed = false
  readonly #splitter = new FrameSplitter(128 * 1024 * 1024)
  #changed: (() => void)[] = []

  handleBytes(chunk: Uint8Array): void {
    this.#splitter.push(chunk)
    for (let frame = this.#splitter.next(); frame !== undefined; frame = this.#splitter.next()) {
      this.packets.push(decodePacket(frame))
    }
    this.#wake()
  }

  handleClosed(): void {
    this.isClosed = true
    this.#wake()
  }

  /** Removes and returns the first packet of a type, waiting for it. */
  async take<T extends Packet['type']>(type: T, timeoutMs = 5_000): Promise<PacketOf<T>> {
    const found = await this.#until(
      () => {
        const index = this.packets.findIndex((packet) => packet.type === type)
        return index < 0 ? undefined : this.packets.splice(index, 1)[0]
      },
      `packet ${type}`,
      timeoutMs,
    )
    return found as PacketOf<T>
  }

  /** Waits until the other side has closed. */
  async closed(timeoutMs = 5_000): Promise<void> {
    await this.#until(() => this.isClosed || undefined, 'the close', timeoutMs)
  }

  /** Takes deliveries until `count` messages are there: topic, offset, value. */
  async messages(count: number, timeoutMs = 5_000): Promise<{ topic: string; offset: number; value: string }[]> {
    const messages: { topic: string; offset: number; value: string }[] = []
    while (messages.length < count) {
      const { header, ranges, payload } = await this.take(PacketType.DELIVER, timeoutMs)
      const records =
        header === null || ranges === null
          ? DeliveredRecords.ofBatch(payload, crc32)
          : DeliveredRecords.ofPart(header, ranges, payload)
      for (let i = 0; i < records.count; i++) {
        messages.push({ topic: records.topic, offset: records.offsetAt(i), value: decodeUtf8(records.record(i).value) })
      }
    }
    return messages
  }

  async #until<T>(probe: () => T | undefined, what: string, timeoutMs: number): Promise<T> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const found = probe()
      if (found !== undefined) return found
      const leftMs = deadline - Date.now()
      if (leftMs <= 0 || (this.isClosed && what !== 'the close')) {
        throw new Error(
          `${what} did not come; there are ${JSON.stringify(this.packets.map(({ type }) => type))}, closed: ${this.isClosed}`,
        )
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#changed.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  #wake(): void {
    const changed = this.#changed
    this.#changed = []
    for (const wake of changed) wake()
  }
}
