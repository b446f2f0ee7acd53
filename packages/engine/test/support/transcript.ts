import {
  Attribute,
  attributesOf,
  baseOffsetOf,
  DeliveredRecords,
  isControl,
  nextOffsetOf,
  type Packet,
  PacketType,
  topicOf,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { decodeControlBatch } from '../../src/control-record.js'
import type { EngineBench } from './engine-bench.js'

const NAMES = new Map<number, string>(Object.entries(PacketType).map(([name, type]) => [type, name]))

/** What is left out: the same in every transcript, or told otherwise. */
const QUIET = new Set(['type', 'version', 'features', 'brokerId', 'brokerVersion', 'frameBytesMax', 'messageBytesMax'])

/** A story for people: each thing that happens, and below it everything that the engine does about it, in order. */
export class Transcript {
  readonly bench: EngineBench
  readonly #lines: string[] = []
  readonly #reads = new Set<number>()
  #logged: number

  constructor(bench: EngineBench) {
    this.bench = bench
    this.#logged = bench.log.length
    bench.sent.clear()
  }

  get text(): string {
    return `${this.#lines.join('\n')}\n`
  }

  /** Something happens. */
  do(what: string, run: (bench: EngineBench) => void): void {
    this.#lines.push(`> ${what}`)
    run(this.bench)
    this.#tell()
  }

  #tell(): void {
    const { bench } = this
    this.#logged = Math.min(this.#logged, bench.log.length)
    for (const batch of bench.log.slice(this.#logged)) this.#lines.push(`  log      ${describeBatch(batch)}`)
    this.#logged = bench.log.length
    for (const [connectionId, packets] of [...bench.sent].sort(([a], [b]) => a - b))
      for (const packet of packets) this.#lines.push(`  to ${connectionId}     ${describePacket(packet)}`)
    bench.sent.clear()
    for (const connectionId of [...bench.closed].sort()) this.#lines.push(`  close ${connectionId}`)
    bench.closed.clear()
    for (const { token, read } of bench.reads) {
      if (this.#reads.has(token)) continue
      this.#reads.add(token)
      this.#lines.push(`  read     from ${read.from}, at most ${read.bytesMax} bytes`)
    }
  }
}

function describeBatch(batch: Uint8Array): string {
  const range = `[${baseOffsetOf(batch)}, ${nextOffsetOf(batch)})`
  if (!isControl(batch)) {
    const retain = attributesOf(batch) & Attribute.RETAIN ? ', retain' : ''
    return `${range} ${topicOf(batch)}${retain}: ${textsOf(DeliveredRecords.ofBatch(batch, crc32))}`
  }
  return `${range} ${decodeControlBatch(batch)
    .map(({ kind, ...fields }) => `${kind} ${describeFields(fields)}`)
    .join('; ')}`
}

function describePacket(packet: Packet): string {
  const name = NAMES.get(packet.type) ?? `type ${packet.type}`
  if (packet.type !== PacketType.DELIVER) return `${name} ${describeFields(packet)}`
  const records =
    packet.header === null
      ? DeliveredRecords.ofBatch(packet.payload, crc32)
      : DeliveredRecords.ofPart(packet.header, packet.ranges!, packet.payload)
  return `${name} subscription ${packet.subscriptionId}, ${records.topic}: ${textsOf(records)}`
}

function describeFields(fields: object): string {
  return Object.entries(fields)
    .filter(([name]) => !QUIET.has(name))
    .map(([name, value]) => `${name} ${value instanceof Uint8Array ? describeBatchOf(value) : JSON.stringify(value)}`)
    .join(', ')
}

function describeBatchOf(batch: Uint8Array): string {
  return `<${topicOf(batch)}: ${textsOf(DeliveredRecords.ofBatch(batch, crc32), false)}>`
}

function textsOf(records: DeliveredRecords, withOffsets = true): string {
  return Array.from({ length: records.count }, (_, i) => {
    const text = new TextDecoder().decode(records.record(i).value)
    return withOffsets ? `${text}@${records.offsetAt(i)}` : text
  }).join(' ')
}
