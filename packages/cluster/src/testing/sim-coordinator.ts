import { GomqError, type Random, randomInteger } from '@gomq/protocol'
import type { Clock } from '../clock.js'
import type { ClusterView, RegisteredBroker, Replica } from '../cluster-view.js'
import type { Coordinator, Lease, WriteOutcome } from '../coordinator.js'
import { type AppointRequest, type CampaignRequest, CoordinatorStore, type InSyncRequest } from './coordinator-store.js'

/** After that a call is given up, ms on the caller's clock. */
const DEADLINE_MS = 1500

/** What one broker's way to the coordinator suffers; changed at any time. */
export interface CoordinatorFaults {
  /** Nothing arrives and nothing comes back. What is under way is lost. */
  isUnreachable: boolean
  /** Probability that a request arrives and its answer does not. */
  lostReplies: number
  /** Probability that a request is lost. */
  lostRequests: number
  /** Probability that a request arrives only after the caller has given it up. */
  lateRequests: number
  /** Time that a message takes each way, ms, at most. */
  delayMsMax: number
}

/** An etcd in memory: one store, and a client for each broker, each with its faults. Repeatable: chance and time are injected. */
export class SimCoordinator {
  readonly store: CoordinatorStore
  readonly #clock: Clock
  readonly #random: Random

  /** @param clock  the coordinator's own */
  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
    this.store = new CoordinatorStore(clock, 'etcd-1')
  }

  /** A broker's way to it. @param clock  the broker's: its deadlines pass on that one */
  client(clock: Clock = this.#clock): SimCoordinatorClient {
    return new SimCoordinatorClient(this.store, this.#clock, clock, this.#random)
  }

  /** The coordinator loses everything and comes back as another one. */
  wipe(): void {
    this.store.wipe(`${this.store.coordinatorId}+`)
  }
}

/** One broker's {@link Coordinator}. */
export class SimCoordinatorClient implements Coordinator {
  readonly faults: CoordinatorFaults = {
    isUnreachable: false,
    lostReplies: 0,
    lostRequests: 0,
    lateRequests: 0,
    delayMsMax: 5,
  }
  readonly #store: CoordinatorStore
  readonly #world: Clock
  readonly #clock: Clock
  readonly #random: Random
  readonly #watches: Set<() => void> = new Set()
  #isClosed = false

  constructor(store: CoordinatorStore, world: Clock, clock: Clock, random: Random) {
    this.#store = store
    this.#world = world
    this.#clock = clock
    this.#random = random
  }

  read(): Promise<ClusterView> {
    return this.#request(() => this.#store.view())
  }

  register(broker: RegisteredBroker, ttlMs: number): Promise<Lease> {
    return this.#request(() => this.#store.register(broker, ttlMs))
  }

  keepAlive(lease: Lease): Promise<number> {
    return this.#request(() => this.#store.keepAlive(lease.id))
  }

  async revoke(lease: Lease): Promise<void> {
    await this.#request(() => this.#store.revoke(lease.id)).catch(() => undefined)
  }

  form(cluster: { uuid: string; replicas: number }, members: readonly Replica[]): Promise<WriteOutcome> {
    return this.#write(() => this.#store.form(cluster, members))
  }

  campaign(request: CampaignRequest): Promise<WriteOutcome> {
    return this.#write(() => this.#store.campaign(request))
  }

  changeInSync(request: InSyncRequest): Promise<WriteOutcome> {
    return this.#write(() => this.#store.changeInSync(request))
  }

  appoint(request: AppointRequest): Promise<WriteOutcome> {
    return this.#write(() => this.#store.appoint(request))
  }

  removeLeader(leaderRevision: number): Promise<WriteOutcome> {
    return this.#write(() => this.#store.removeLeader(leaderRevision))
  }

  watch(onChange: () => void): () => void {
    const end = this.#store.watch(() => {
      if (this.#isCut(this.faults.lostReplies)) return
      this.#world.schedule(this.#delayMs(), () => {
        if (!this.#isClosed && this.#watches.has(end)) onChange()
      })
    })
    this.#watches.add(end)
    return () => {
      this.#watches.delete(end)
      end()
    }
  }

  async close(): Promise<void> {
    this.crash()
  }

  /** The process is gone: nothing is called any more, though what it has sent may arrive yet. */
  crash(): void {
    this.#isClosed = true
    for (const end of this.#watches) end()
    this.#watches.clear()
  }

  #write(write: () => boolean): Promise<WriteOutcome> {
    return this.#request((): WriteOutcome => ({ kind: write() ? 'done' : 'refused', view: this.#store.view() })).catch(
      () => ({ kind: 'unknown' }),
    )
  }

  /** There, done, and back; given up after the deadline, wherever it is then. */
  #request<T>(serve: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return
      const deadline = this.#clock.schedule(DEADLINE_MS, () =>
        reject(new GomqError('UNAVAILABLE', 'the coordinator does not answer')),
      )
      if (this.#isCut(this.faults.lostRequests)) return
      const isLate = this.#random.next() < this.faults.lateRequests
      this.#world.schedule(isLate ? randomInteger(this.#random, DEADLINE_MS, 4 * DEADLINE_MS) : this.#delayMs(), () => {
        if (this.faults.isUnreachable) return
        const answer = serve()
        if (this.#isCut(this.faults.lostReplies)) return
        this.#world.schedule(this.#delayMs(), () => {
          if (this.faults.isUnreachable || this.#isClosed) return
          // A process that stands still takes the answer up when it goes on.
          this.#clock.schedule(0, () => {
            deadline.cancel()
            resolve(answer)
          })
        })
      })
    })
  }

  #isCut(chance: number): boolean {
    return this.faults.isUnreachable || (chance > 0 && this.#random.next() < chance)
  }

  #delayMs(): number {
    return randomInteger(this.#random, 0, this.faults.delayMsMax + 1)
  }
}
