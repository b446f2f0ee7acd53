import {
  BatchBuilder,
  type ConnectPacket,
  type Crc32,
  DEFLATE_FEATURE,
  type Inflate,
  PacketType,
  PROTOCOL_VERSION,
  type ProducerId,
  type Random,
  randomIdentity,
} from '@gomq/protocol'
import type { PublishRequest } from './publish-request.js'

/** A message that the broker publishes for the client when a connection ends without goodbye. */
export interface Will {
  readonly request: PublishRequest
  /** Seconds between that end and the will; the client's return cancels it. */
  readonly delaySec: number
}

/** What a client says of itself. */
export interface IntroductionOptions {
  /** Null: the broker makes one up. */
  readonly clientId: string | null
  /** Mechanism and proof of who it is; both null for nobody. */
  readonly authMethod: string | null
  readonly authData: Uint8Array | null
  readonly keepAliveSec: number
  readonly agent: string
  /** Whether the first connection discards what the broker keeps for the client id. */
  readonly cleanSession: boolean
  /** Seconds that the session outlives a connection. */
  readonly sessionExpirySec: number
  readonly will: Will | null
  readonly random: Random
  readonly crc32: Crc32
  /** Missing: compressed batches are neither asked for nor published. */
  readonly inflate?: Inflate | undefined
}

/** Makes the CONNECT of each connection. */
export class Introduction {
  readonly #options: IntroductionOptions
  #isKnown = false

  constructor(options: IntroductionOptions) {
    this.#options = options
  }

  /** The broker has taken the client in: from now on its session is the client's own, and is not discarded any more. */
  handleEstablished(): void {
    this.#isKnown = true
  }

  /** The next connection's first packet. */
  packet(requestId: number, nowMs: number): ConnectPacket {
    const { clientId, authMethod, authData, keepAliveSec, agent, cleanSession, sessionExpirySec, will } = this.#options
    return {
      type: PacketType.CONNECT,
      requestId,
      versionMin: PROTOCOL_VERSION,
      versionMax: PROTOCOL_VERSION,
      // Whether or not it compresses itself: what others have compressed need not be decompressed by the broker.
      features: this.#options.inflate === undefined ? [] : [DEFLATE_FEATURE],
      clientId,
      namespace: null,
      authMethod,
      authData,
      keepAliveSec,
      agent,
      cleanSession: cleanSession && !this.#isKnown,
      sessionExpirySec,
      will: will === null ? null : this.#packWill(will.request, nowMs),
      willDelaySec: will?.delaySec ?? 0,
    }
  }

  /**
   * A producer of its own for each connection: each one that is lost owes its will, and the broker takes the same identity for a
   * repetition.
   */
  #packWill(request: PublishRequest, nowMs: number): Uint8Array {
    const { random, crc32 } = this.#options
    const producerId = randomIdentity(random) as ProducerId
    return packWill(request, producerId, nowMs, crc32)
  }
}

/** A will as a batch of one record, the first and only one of its producer. */
export function packWill(request: PublishRequest, producerId: ProducerId, nowMs: number, crc32: Crc32): Uint8Array {
  const builder = new BatchBuilder(request.topic, request.attributes, request.ttlMs)
  builder.append({ ...request, timestampDeltaMs: 0 })
  return builder.finish({ baseTimestampMs: nowMs, producerId, producerEpoch: 0, firstSequence: 0 }, crc32)
}
