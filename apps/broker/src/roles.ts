import type { BrokerAddresses, ReplicationHandler } from '@gomq/cluster'
import type { CommittedState, RetentionRules } from '@gomq/engine'
import { type Epoch, GomqError, type Offset } from '@gomq/protocol'
import type { Log } from '@gomq/storage'
import { Following } from './following.js'
import type { RetainedOffsets } from './pinned-offsets.js'
import type { Reign } from './reign.js'
import type { SnapshotState, SnapshotWriter } from './snapshot-writer.js'
import { SyncWaiters } from './sync-waiters.js'

/** Who leads, as far as this broker knows. */
export interface Leader {
  readonly id: string
  readonly addresses: BrokerAddresses
  readonly epoch: Epoch
}

/** A state as it was loaded. */
export interface LoadedState {
  readonly appliedOffset: Offset
  /** From here on it is exactly that of its offset. */
  readonly wholeFrom: Offset
}

/** What the roles of a broker work with. */
export interface RolesOptions {
  readonly log: Log
  readonly snapshots: SnapshotWriter
  /** Whether the log was emptied to be filled and its snapshot has not come yet: there is no state. */
  readonly isFilling: boolean
  /** Fills an empty state from the newest snapshot and the log. */
  recover(state: CommittedState): Promise<LoadedState>
  /** Fills an empty state from a snapshot that was installed, whose log may yet have to come. */
  loadInstalled(state: CommittedState): Promise<LoadedState>
  /** Makes the reign of an epoch on a state that has all of the log. */
  makeReign(epoch: Epoch, state: CommittedState): Reign
  /** The reign's first records have committed. */
  onServing(reign: Reign): void
  /** So many bytes were folded. */
  onFolded(bytes: number): void
  onFailure(error: Error): void
}

/**
 * What a broker is over time: a member that folds what has committed, or the leader of an epoch. It changes when replication says so, and nothing of
 * one role outlives it but the log.
 *
 *     following --handleLeading--> folds the rest of the log --> reign --first records committed--> serves
 *         ^                                                        |
 *         +---- state anew, from snapshot and log <--handleFollowing-+
 */
export class Roles implements ReplicationHandler {
  readonly #options: RolesOptions
  readonly #syncWaiters = new SyncWaiters()
  #following: Following | undefined
  #reign: Reign | undefined
  /** On the way to a reign: the state already holds what may not have committed. */
  #promotion: { isOver: boolean } | undefined
  #leader: Leader | undefined
  /** The log was emptied and there is no state until a snapshot has come. */
  #isFilling: boolean
  #isSuspended = false
  #isStopping = false
  #leaderships = 0

  constructor(options: RolesOptions) {
    this.#options = options
    this.#isFilling = options.isFilling
    this.#follow(options.isFilling ? awaitSnapshot : (state) => options.recover(state))
  }

  /** The reign, if this broker leads; also one that has not begun to serve. */
  get reign(): Reign | undefined {
    return this.#reign
  }

  /** Who leads, if it is another broker and known. */
  get leader(): Leader | undefined {
    return this.#leader
  }

  /** Whether clients may come now. */
  get isServing(): boolean {
    return this.#reign?.isServing === true && !this.#isSuspended
  }

  get isSuspended(): boolean {
    return this.#isSuspended
  }

  /** Whether this broker follows, with the state of what has committed. */
  get isFollowing(): boolean {
    return this.#following?.isLoaded === true && this.#promotion === undefined
  }

  /** Times that this broker has come to lead. */
  get leaderships(): number {
    return this.#leaderships
  }

  /** Counts of the state or the reign. */
  get stats(): Readonly<Record<string, number>> {
    return this.#reign?.driver.engine.stats ?? this.#following?.state.stats ?? {}
  }

  /** The state goes on here: control records from here on are needed. 0 while there is no state. */
  get appliedOffset(): Offset {
    if (this.#reign !== undefined) return this.#reign.appliedOffset
    if (this.#following?.isLoaded) return this.#following.appliedOffset
    if (this.#isFilling) return 0 as Offset
    return this.#options.snapshots.newestBeginOffset
  }

  /** What a snapshot can be made of now. */
  snapshotState(): SnapshotState | undefined {
    if (this.#reign !== undefined) return this.#reign.driver.engine.isLeading ? this.#reign : undefined
    return this.#promotion === undefined && this.#following?.isWhole ? this.#following : undefined
  }

  /** The committed rules of retention, if this broker knows them now. */
  retentionRules(): RetentionRules | undefined {
    if (this.#reign !== undefined) return this.#reign.retentionRules()
    return this.#promotion === undefined && this.#following?.isWhole ? this.#following.retentionRules() : undefined
  }

  /** What is retained, by the state of {@link retentionRules}; a live walk. Nothing while those are not known. */
  retainedOffsets(): RetainedOffsets {
    return this.#reign?.retainedOffsets() ?? this.#following?.retainedOffsets() ?? { count: 0, offsets: [] }
  }

  /** Why no client may come now. */
  refusal(): GomqError {
    if (this.#isSuspended)
      return new GomqError(
        'NO_LEADER',
        'the broker that leads cannot reach etcd, which may have named another; try again in a moment',
      )
    if (this.#leader === undefined)
      return new GomqError('NO_LEADER', 'nobody leads the cluster at the moment; connect again in a moment')
    const { id, addresses } = this.#leader
    return new GomqError('NOT_LEADER', `broker ${id} leads; connect to it at ${addresses.tcp}`)
  }

  /** Where clients find the broker that leads, with {@link refusal}; null if nobody knows. */
  get leaderAddress(): string | null {
    return this.#leader?.addresses.tcp ?? null
  }

  /** Settles when the state is there that could be had at the start. @throws GomqError  as `loadSnapshot` and `Log.read` */
  async loaded(): Promise<void> {
    if (!this.#isFilling) await this.#following?.loaded
  }

  handleLeading(epoch: Epoch): void {
    const following = this.#following
    if (this.#isStopping || following === undefined) return
    this.#leader = undefined
    this.#isSuspended = false
    this.#leaderships++
    this.#options.snapshots.abandon()
    const promotion = { isOver: false }
    this.#promotion = promotion
    this.#lead(epoch, following, promotion).catch((error: Error) => this.#options.onFailure(error))
  }

  handleFollowing(leader: Leader | undefined): void {
    this.#leader = leader
    this.#isSuspended = false
    if (this.#reign === undefined && this.#promotion === undefined) return
    const reign = this.#reign
    if (!this.#isStopping) this.#reign = undefined
    reign?.end(this.refusal(), this.leaderAddress)
    if (!this.#isStopping) this.#begin((state) => this.#options.recover(state))
  }

  handleTruncated(to: Offset): void {
    const { log } = this.#options
    const following = this.#following
    if (following === undefined) return
    if (log.logStartOffset === to && log.logEndOffset === to) {
      // Emptied. A state of just this offset is that of what comes.
      if (following.isLoaded && following.appliedOffset === to) return
      this.#isFilling = to > 0
      this.#begin(to === 0 ? startEmpty : awaitSnapshot)
    } else if (following.isLoaded && following.appliedOffset > to) this.#begin((state) => this.#options.recover(state))
  }

  handleSnapshotInstalled(): void {
    this.#isFilling = false
    if (!this.#isStopping) this.#begin((state) => this.#options.loadInstalled(state))
  }

  handleCommitted(highWatermark: Offset): void {
    if (this.#reign !== undefined) this.#reign.handleCommitted(highWatermark)
    else this.#following?.handleCommitted(highWatermark)
  }

  handleSuspended(isSuspended: boolean): void {
    this.#isSuspended = isSuspended
    this.#reign?.driver.handleSuspended(isSuspended)
  }

  handleFailure(error: Error): void {
    this.#options.onFailure(error)
  }

  /** The log is on disk up to here. */
  handleSynced(syncedOffset: Offset): void {
    this.#syncWaiters.handleSynced(syncedOffset)
  }

  /** The broker stops: whatever role comes now, it begins nothing any more. */
  stop(): void {
    this.#isStopping = true
    this.#cancelPromotion()
  }

  /** The log has ended, or is about to. */
  end(): void {
    this.stop()
    this.#following?.stop()
    this.#syncWaiters.fail(new GomqError('CLOSED', 'the broker has stopped'))
  }

  async #lead(epoch: Epoch, following: Following, promotion: { isOver: boolean }): Promise<void> {
    const { log, makeReign, onServing } = this.#options
    try {
      const end = log.logEndOffset
      if (log.syncedOffset < end) await this.#syncWaiters.wait(end)
      await following.foldTo(end)
      if (promotion.isOver) return
      this.#promotion = undefined
      following.stop()
      this.#following = undefined
      const reign = makeReign(epoch, following.state)
      this.#reign = reign
      if (this.#isSuspended) reign.driver.handleSuspended(true)
      await reign.begin()
      if (this.#reign === reign && !this.#isStopping) onServing(reign)
    } catch (error) {
      // The reign, or the way to it, ended before it had begun.
      if (promotion.isOver || isEndOfReign(error) || this.#isStopping) return
      throw error
    }
  }

  #begin(load: (state: CommittedState) => Promise<LoadedState>): void {
    this.#cancelPromotion()
    this.#following?.stop()
    this.#options.snapshots.abandon()
    this.#follow(load)
  }

  #follow(load: (state: CommittedState) => Promise<LoadedState>): void {
    const { log, onFolded, onFailure } = this.#options
    this.#following = new Following({ log, load, onFolded, onFailure })
    this.#following.handleCommitted(log.highWatermark)
  }

  #cancelPromotion(): void {
    if (this.#promotion !== undefined) this.#promotion.isOver = true
    this.#promotion = undefined
  }
}

async function startEmpty(): Promise<LoadedState> {
  return { appliedOffset: 0 as Offset, wholeFrom: 0 as Offset }
}

function awaitSnapshot(): Promise<LoadedState> {
  return new Promise(() => undefined)
}

function isEndOfReign(error: unknown): boolean {
  return error instanceof GomqError && (error.code === 'NOT_LEADER' || error.code === 'NO_LEADER')
}
