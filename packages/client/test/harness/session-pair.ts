import type { GomqError, Packet } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import type { IntroductionOptions } from '../../src/session/introduction.js'
import { ClientSession } from '../../src/session/session.js'
import type { SubscriptionState } from '../../src/session/subscription-state.js'

/** A client without credentials or will. */
export const CLIENT: IntroductionOptions = {
  clientId: 'c',
  authMethod: null,
  authData: null,
  keepAliveSec: 30,
  agent: 'test',
  cleanSession: false,
  sessionExpirySec: 604_800,
  will: null,
  random: new SeededRandom(7),
  crc32,
}

/** A session whose packets can be looked at, with a clock of its own. */
export class SessionPair {
  nowMs = 1000
  sent: Packet[] = []
  disconnects: (GomqError | null)[] = []
  expelled: GomqError[] = []
  connected = 0
  readonly session: ClientSession = new ClientSession({
    ...CLIENT,
    requestTimeoutMs: 10_000,
    bufferBytesMax: 1024 * 1024,
    outbox: {
      send: (packet) => void this.sent.push(packet),
      disconnect: (error) => void this.disconnects.push(error),
      connected: () => void this.connected++,
      expelled: (error) => void this.expelled.push(error),
    },
  })

  /** What was sent since the last call. */
  take(): Packet[] {
    return this.sent.splice(0)
  }
}

/** A durable QoS 1 subscription's request, from the start of the log. */
export const DURABLE = {
  filters: ['t/#'],
  qos: 1 as const,
  name: 'd' as string | null,
  from: { kind: 'earliest' } as const,
  retained: false,
  prefetchMessages: 8,
  prefetchBytes: 1000,
  untilEnd: false,
  gathersAcks: false,
}

/** A listener that looks at nothing. */
export const DEAF = { handleReadable() {}, handleTail() {}, handleLag() {}, handleMissed() {} }

/** All messages that wait: offset and text. */
export function drain(state: SubscriptionState): [number, string][] {
  const out: [number, string][] = []
  while (state.advance())
    out.push([state.records.offsetAt(state.index), new TextDecoder().decode(state.records.record(state.index).value)])
  return out
}
