import type { Offset, RetentionPolicy, StartPosition } from '@gomq/protocol'

/** How a call ended: done, refused for sure, or unknown. `pending`: not yet, which is a defect at the end. */
export type Outcome = 'pending' | 'ok' | 'fail' | 'info'

/** One publish. */
export interface PublishCall {
  /** The process that published; a client that comes back is another. */
  readonly publisher: string
  /** 0, 1, ... per publisher; `publisher#sequence` is the value, unique in a run. */
  readonly sequence: number
  readonly topic: string
  /** Whether it goes into the log: QoS 1 or 2, or retained. */
  readonly isLogged: boolean
  readonly isRetained: boolean
  readonly key: string | null
  /** Whether its value is empty, which ends its key in a compacted topic. */
  readonly isTombstone: boolean
  readonly calledMs: number
  readonly duringFaults: boolean
  outcome: Outcome
  /** Of the acknowledgement; -1 if it names none. */
  offset: number
}

/** One message as it came out. */
export interface Delivered {
  /** -1: in no log. */
  readonly offset: Offset
  readonly topic: string
  readonly value: string
}

/** What one process got from one subscription, in order. */
export interface SubscriptionLife {
  readonly subscriber: string
  readonly filters: readonly string[]
  /** Identity of a durable subscription over its lives; null for an ephemeral one. */
  readonly durable: string | null
  readonly from: StartPosition
  readonly delivered: Delivered[]
  /** Offsets for which `ack` was called, also where nobody knows whether it arrived. */
  readonly ackCalled: Set<number>
  /** Offsets whose acknowledgement was confirmed, and when this process learnt it. */
  readonly ackConfirmed: Map<number, number>
  /** Stretches that it was told it missed, half-open. */
  readonly missed: (readonly [number, number])[]
  /** Connections over which it went. */
  connections: number
  /** When it was told that it stands; infinite before. */
  subscribedMs: number
  /** Whether it has been handed all there is, after healing. */
  isDrained: boolean
}

/** Another call of a client: subscribe, acknowledge. */
export interface OtherCall {
  readonly what: string
  outcome: Outcome
}

/** A policy that an operator put, or null for the removal of one. */
export interface PolicyCall {
  readonly filter: string
  readonly policy: RetentionPolicy | null
  outcome: Outcome
}

/** What a process with a will did that decides how often it is published. */
export interface WillOwner {
  readonly name: string
  /** Over which it sent its CONNECT. Each of them may be lost once, the broker's answer with it. */
  connections: number
  /** Whether it went without a word after the last fault. */
  isLost: boolean
}

/** All that clients did and saw in a run. */
export class History {
  readonly publishes: PublishCall[] = []
  readonly calls: OtherCall[] = []
  /** In the order they began. */
  readonly lives: SubscriptionLife[] = []
  /** Offsets of a durable identity that came again after their acknowledgement was confirmed. */
  readonly redelivered: string[] = []
  readonly wills: WillOwner[] = []
  readonly policies: PolicyCall[] = []
  /** When the last cleaning may have been. */
  endMs = 0
  /** Times that something was removed from the log. */
  cleanings = 0
  /** What a new subscriber was handed first, after healing. */
  retained: Delivered[] = []
  /** Everything from the start of the log, after healing. */
  readBack: Delivered[] = []

  /** Takes a call up; `outcome` is `pending`. */
  call(what: string): OtherCall {
    const call: OtherCall = { what, outcome: 'pending' }
    this.calls.push(call)
    return call
  }

  /**
   * Messages of a subscription arrived at a process, whether or not it has had them before. One that waits there, or was stalled on its way, may have
   * been acknowledged by another process of the same client meanwhile: only what the broker sent after a confirmation breaks its word.
   *
   * @param sentMs  when the broker sent them
   */
  arrive(life: SubscriptionLife, offsets: readonly number[], sentMs: number): void {
    if (life.durable === null) return
    const ofIdentity = this.lives.filter((other) => other.durable === life.durable)
    for (const offset of offsets)
      if (ofIdentity.some((other) => (other.ackConfirmed.get(offset) ?? Number.POSITIVE_INFINITY) < sentMs))
        this.redelivered.push(`${life.durable} was sent offset ${offset} again after its confirmed ack`)
  }
}
