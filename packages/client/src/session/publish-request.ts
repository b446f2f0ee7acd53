import type { RecordInput } from '@gomq/protocol'

/** One message to publish, encoded and checked. It is the record as well, so that a message costs one object. */
export interface PublishRequest extends RecordInput {
  readonly topic: string
  /** Bits of `Attribute`: QoS, RETAIN, KEYED, and EXPIRING if there is a time to live. */
  readonly attributes: number
  /** Milliseconds after the append at which the message is no longer delivered; 0: never. */
  readonly ttlMs: number
  /** The producer's time in milliseconds since 1970. */
  readonly timestampMs: number
  /** Written when the message enters its batch; 0 before. */
  timestampDeltaMs: number
  /** Milliseconds until the publish is rejected. */
  readonly timeoutMs: number
}
