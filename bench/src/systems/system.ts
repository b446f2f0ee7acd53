import type { LoopProfile } from '../profile/profiler.js'

/** The topic of every workload that has one. */
export const TOPIC = 'bench/throughput'

/** A broker that is measured: how its server is started, and how a client of it works at its best. Adapters are the only code that knows it. */
export interface System {
  readonly name: string
  /** What others are compared with: GoMQ itself, the floor, or a peer. */
  readonly role: 'gomq' | 'floor' | 'peer'
  /** What is safe when a publish has been acknowledged. */
  readonly durability: string
  /** How server and client are set up so that it is fast, in a line. */
  readonly setup: string
  /** Workloads that it cannot do, with the reason. */
  readonly cannot?: Readonly<Record<string, string>>
  /** Why it cannot be measured here and what to do about it; undefined: it can. Installs what is missing where it may and can. */
  missing(mayInstall: boolean): string | undefined
  /** Name and version of the server's program. */
  version(): string
  /** Whether its server is one process of Node, so that {@link start} can have it profiled. */
  readonly isNode?: boolean
  /**
   * Starts a server with an empty data directory below `workDirectory`, on free ports of the loopback.
   * @param isProfiled  whether its {@link Server.profiler} is asked for a profile
   */
  start(workDirectory: string, isProfiled?: boolean): Promise<Server>
  /** Makes durable subscriptions for subscribers who are away then: what is published from now on is kept for them. */
  prepare(address: string, subscriptions: Subscriptions): Promise<void>
  /** A connection of its own. */
  connect(address: string, options: ConnectOptions): Promise<Client>
}

/** The processes of a system under measurement. */
export interface Server {
  /** Where clients connect; for the system's own `connect`. */
  readonly address: string
  /** What all of its processes have used so far. */
  usage(): Usage
  /** Bytes that the messages take on the disk; undefined where nobody asks. */
  readonly storedBytes?: number
  /** Profiles the server's event loop, from one call to the other; undefined unless it was started for that. */
  readonly profiler?: { start(): void; stop(): Promise<LoopProfile> } | undefined
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** What processes have used. */
export interface Usage {
  readonly cpuSec: number
  /** What of that the kernel took for them. */
  readonly kernelSec: number
  readonly rssBytes: number
  /** The sum of the greatest resident sets of each process. */
  readonly rssBytesMax: number
}

/** Who subscribes to what. */
export interface Subscriptions {
  readonly subscribers: readonly string[]
  /** In the words of MQTT: a topic, or with `#` at its end. */
  readonly filter: string
}

/** What a client is told when it connects. */
export interface ConnectOptions {
  /** Unique in a measurement; a subscriber comes back with its name. */
  readonly clientId: string
  /** Whether it comes back for a subscription that was prepared. */
  readonly isDurable: boolean
  /** How many the producer has, who shares what may be under way among them. */
  readonly connections: number
  /** Bytes of each message. */
  readonly messageBytes: number
  readonly compression?: 'none' | 'deflate' | undefined
}

/** One connection. It publishes or it consumes. */
export interface Client {
  /** Publishes as fast as it can with its best window of unacknowledged messages; settles when all are acknowledged. */
  publishAll(job: PublishJob): Promise<void>
  /** Publishes one message to {@link TOPIC} durably; settles when it is acknowledged. */
  publish(value: Uint8Array): Promise<void>
  /** Begins to consume and to acknowledge; settles when the subscription stands. */
  consume(job: ConsumeJob): Promise<void>
  /** Ends the connection; acknowledgements under way go out before. */
  close(): Promise<void>
}

/** Messages to publish. */
export interface PublishJob {
  readonly count: number
  /** 1: acknowledged when stored. 0: handed to the socket. */
  readonly qos: 0 | 1
  topicAt(index: number): string
  /** Whether that is the same for all. */
  readonly isOneTopic: boolean
  valueAt(index: number): Uint8Array
  /** Called with the number of messages that have been acknowledged since the last call. */
  onAcked(count: number): void
}

/** Messages to consume: each is acknowledged when `onMessage` returns. */
export interface ConsumeJob {
  /** With QoS 1 the subscription of that name, which was prepared; with QoS 0 one that ends with the connection. */
  readonly subscriber: string
  readonly qos: 0 | 1
  /** Whether the messages were stored before, and not published while it consumes. */
  readonly isStored: boolean
  onMessage(value: Uint8Array): void
}

/** Unacknowledged messages that a client may have, of `messagesMax` at most: fewer where they are large, so that 64 MiB are enough. */
export function windowFor(messagesMax: number, messageBytes: number): number {
  return Math.max(8, Math.min(messagesMax, Math.floor((64 * 1024 * 1024) / messageBytes)))
}
