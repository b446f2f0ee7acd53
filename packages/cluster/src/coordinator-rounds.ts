import type { Clock, ScheduledCall } from './clock.js'
import type { ClusterView, RegisteredBroker } from './cluster-view.js'
import type { Coordinator, Lease, WriteOutcome } from './coordinator.js'
import type { Ready } from './core/ready.js'
import type { Replica } from './core/replica.js'
import { ROUND_MS } from './limits.js'

type Of<K extends Ready['kind']> = Extract<Ready, { kind: K }>

/** What the rounds need. */
export interface RoundsOptions {
  readonly coordinator: Coordinator
  readonly clock: Clock
  readonly replica: Replica
  readonly leaseMs: number
  /** What the broker says of itself now. */
  registration(): RegisteredBroker
  /** A name for a cluster that forms. */
  newUuid(): string
  /** Does what the replica has ready, after each input. */
  pump(): void
}

/** A round that failed at once is not tried again before that. */
const ROUND_PAUSE_MS_MIN = 200

/**
 * Talks with the coordinator: each second a round of lease renewal and reading, reads in between when a watch hints at something, and the
 * writes that the replica asks for.
 */
export class CoordinatorRounds {
  readonly #options: RoundsOptions
  #lease: Lease | undefined
  #timer: ScheduledCall | undefined
  #endWatch: (() => void) | undefined
  #isOver = false
  #isReading = false
  #mustReadAgain = false
  /** The greatest revision that any answer has shown. */
  #revision = 0
  #failedSinceMs: number | undefined

  constructor(options: RoundsOptions) {
    this.#options = options
  }

  /** Since when the coordinator does not answer, monotonic ms; undefined if it does. */
  get failedSinceMs(): number | undefined {
    return this.#failedSinceMs
  }

  /** Begins the rounds and the watch. */
  start(): void {
    this.#endWatch = this.#options.coordinator.watch(() => this.readView())
    void this.#round()
  }

  /** Ends them; the lease is revoked, and with it goes what stands under it. */
  async stop(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer?.cancel()
    this.#endWatch?.()
    const lease = this.#lease
    this.#lease = undefined
    if (lease !== undefined) await this.#options.coordinator.revoke(lease)
  }

  /** Reads the view as soon as possible; a call while a read is under way leads to one more. */
  readView(): void {
    if (this.#isReading) this.#mustReadAgain = true
    else void this.#readOnce()
  }

  /** Revokes a lease, if it is the one that is held; the next round takes another. */
  async dropLease(leaseId: string): Promise<void> {
    const lease = this.#lease
    if (lease?.id !== leaseId) return
    this.#lease = undefined
    this.#hear((replica, nowMs) => replica.handleLeaseLost(leaseId, nowMs))
    await this.#options.coordinator.revoke(lease)
  }

  /** Forms the cluster. */
  async form({ replicas, members }: Of<'form'>): Promise<void> {
    const cluster = { uuid: this.#options.newUuid(), replicas }
    const outcome = await this.#write((coordinator) => coordinator.form(cluster, members))
    this.#hear((replica, nowMs) => replica.handleFormOutcome(outcome, nowMs))
  }

  /** Asks for leadership; after an unknown outcome it reads until it knows what stands (R1). */
  async campaign({ token, leaseId, epoch, members, inSyncRevision }: Of<'campaign'>): Promise<void> {
    const lease = this.#lease
    const { id, storeId, addresses } = this.#options.registration()
    const leader = { id, storeId, epoch, addresses }
    const outcome: WriteOutcome =
      lease?.id === leaseId
        ? await this.#write((coordinator) => coordinator.campaign({ lease, leader, members, inSyncRevision }))
        : { kind: 'unknown' }
    if (outcome.kind !== 'unknown')
      return this.#hear((replica, nowMs) => replica.handleCampaignOutcome(token, outcome, nowMs))
    let view = await this.#read()
    while (view === undefined && !this.#isOver) {
      await this.#pause(ROUND_PAUSE_MS_MIN)
      view = await this.#read()
    }
    if (view === undefined) return
    const known = view
    this.#hear((replica, nowMs) => replica.handleCampaignOutcome(token, { kind: 'unclear', view: known }, nowMs))
  }

  /** Changes the in-sync set. */
  async changeInSync({ token, epoch, members, leaderRevision, inSyncRevision }: Of<'changeInSync'>): Promise<void> {
    const request = { epoch, members, leaderRevision, inSyncRevision }
    const outcome = await this.#write((coordinator) => coordinator.changeInSync(request))
    this.#hear((replica, nowMs) => replica.handleInSyncOutcome(token, outcome, nowMs))
  }

  /** Removes the leader's key. */
  async removeLeader(leaderRevision: number): Promise<void> {
    const outcome = await this.#write((coordinator) => coordinator.removeLeader(leaderRevision))
    this.#hear((replica, nowMs) => replica.handleRemoveOutcome(leaderRevision, outcome, nowMs))
  }

  /** R17: the lease counts from before the request was sent, and only with a view that was read in the same round. */
  async #round(): Promise<void> {
    const sentMs = this.#options.clock.monotonicMs()
    const held = this.#lease
    const [granted, view] = await Promise.all([this.#renew(), this.#read()])
    if (this.#isOver) return
    const lease = this.#lease
    this.#hear((replica, nowMs) => {
      if (granted > 0 && lease !== undefined) replica.handleLease(lease.id, sentMs, granted)
      if (view !== undefined) replica.handleView(view, nowMs, granted > 0 && lease !== undefined)
    })
    if (held !== undefined && view !== undefined && !this.#isRegistered(view)) void this.dropLease(held.id)
    const tookMs = this.#options.clock.monotonicMs() - sentMs
    this.#timer = this.#options.clock.schedule(
      Math.max(ROUND_PAUSE_MS_MIN, ROUND_MS - tookMs),
      () => void this.#round(),
    )
  }

  /**
   * Whether the view shows what this broker says of itself. A registration that was given up may have arrived late and taken the place of the one that is
   * kept alive, only to go with its own lease. A leader keeps its lease all the same: its key stands under it.
   */
  #isRegistered(view: ClusterView): boolean {
    const { replica } = this.#options
    if (replica.leadership !== undefined) return true
    const { id, storeId, addresses } = this.#options.registration()
    return view.brokers.some(
      (broker) =>
        broker.id === id && broker.storeId === storeId && broker.addresses.replication === addresses.replication,
    )
  }

  /** @returns what the lease was granted for; 0 if there is none */
  async #renew(): Promise<number> {
    const { coordinator, leaseMs } = this.#options
    const held = this.#lease
    try {
      if (held === undefined) {
        const lease = await coordinator.register(this.#options.registration(), leaseMs)
        if (this.#isOver) {
          await coordinator.revoke(lease)
          return 0
        }
        this.#lease = lease
        return lease.ttlMs
      }
      const granted = await coordinator.keepAlive(held)
      if (this.#lease !== held) return 0
      if (granted > 0) return granted
      this.#lease = undefined
      this.#hear((replica, nowMs) => replica.handleLeaseLost(held.id, nowMs))
      return 0
    } catch {
      return 0
    }
  }

  async #readOnce(): Promise<void> {
    this.#isReading = true
    const view = await this.#read()
    this.#isReading = false
    if (this.#isOver) return
    if (view !== undefined) this.#hear((replica, nowMs) => replica.handleView(view, nowMs))
    if (!this.#mustReadAgain) return
    this.#mustReadAgain = false
    this.readView()
  }

  async #read(): Promise<ClusterView | undefined> {
    const floor = this.#revision
    try {
      const view = await this.#options.coordinator.read()
      this.#failedSinceMs = undefined
      this.#see(view, floor)
      return view
    } catch {
      this.#failedSinceMs ??= this.#options.clock.monotonicMs()
      return undefined
    }
  }

  async #write(write: (coordinator: Coordinator) => Promise<WriteOutcome>): Promise<WriteOutcome> {
    const floor = this.#revision
    const outcome = await write(this.#options.coordinator)
    if (outcome.kind !== 'unknown') this.#see(outcome.view, floor)
    return outcome
  }

  /** R2: what was asked for after a revision had been seen cannot be older than that; what was asked for before may be. */
  #see(view: ClusterView, floor: number): void {
    if (view.revision < floor) this.#options.replica.handleWentBack(view.revision, floor)
    this.#revision = Math.max(this.#revision, view.revision)
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.schedule(ms, resolve))
  }

  #hear(input: (replica: Replica, nowMs: number) => void): void {
    if (this.#isOver) return
    input(this.#options.replica, this.#options.clock.monotonicMs())
    this.#options.pump()
  }
}
