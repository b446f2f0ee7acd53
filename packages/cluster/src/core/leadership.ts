import { type Epoch, invariant, type Offset } from '@gomq/protocol'
import type { ClusterView, LeaderKey, Replica } from '../cluster-view.js'
import { TICK_MS } from '../limits.js'
import type { ReplicaMessage } from '../messages.js'
import type { LogPiece } from '../replica-log.js'
import { copiesMin, InSyncSet } from './in-sync-set.js'
import { LagMarks } from './lag-marks.js'
import type { LastLeader } from './last-leader.js'
import type { LeaderLease } from './lease.js'
import type { LogView } from './log-view.js'
import { MemberProgress } from './member-progress.js'
import type { Emit, LinkId } from './ready.js'
import { includesReplica, isSameReplica } from './same-replica.js'

/** What a leadership needs from the replica that holds it. */
export interface LeadershipContext {
  readonly self: Replica
  readonly log: LogView
  readonly lease: LeaderLease
  readonly lagMs: number
  /** Whom this replica followed before. */
  readonly lastLeader: LastLeader
  readonly emit: Emit
  takeNumber(): number
}

/**
 * One reign: from the election that was won to its end. It brings the members up to its log, keeps the in-sync set, and commits.
 */
export class Leadership {
  readonly epoch: Epoch
  /** Revision at which it was won (R7). */
  readonly leaderRevision: number
  readonly inSync: InSyncSet
  readonly #context: LeadershipContext
  readonly #clusterUuid: string
  readonly #replicas: number
  /** The log's end when the election was won: acked records of earlier reigns may lie below, whatever the high watermark says (R11, R14). */
  readonly #electedEnd: Offset
  readonly #marks: LagMarks
  readonly #members: Map<string, MemberProgress> = new Map()
  #registered: readonly Replica[] = []
  #lastTickMs: number
  #awakeAtMs: number
  #resigning: 'no' | 'waiting' | 'asked' = 'no'

  constructor(context: LeadershipContext, key: LeaderKey, view: ClusterView, nowMs: number) {
    invariant(view.inSync !== undefined && view.cluster !== undefined, 'a leader of a cluster that has not formed')
    this.#context = context
    this.epoch = key.epoch
    this.leaderRevision = key.createRevision
    this.inSync = new InSyncSet(view.inSync)
    this.#clusterUuid = view.cluster.uuid
    this.#replicas = view.cluster.replicas
    this.#electedEnd = context.log.logEndOffset
    this.#marks = new LagMarks(context.lagMs, nowMs)
    this.#lastTickMs = nowMs
    this.#awakeAtMs = nowMs
  }

  /** All other brokers that it knows. */
  get members(): ReadonlyMap<string, MemberProgress> {
    return this.#members
  }
  /** Whether it passes leadership on. */
  get isResigning(): boolean {
    return this.#resigning !== 'no'
  }

  /** A view in which this leader still leads. */
  handleView(view: ClusterView, nowMs: number): void {
    this.inSync.handleKey(view.inSync!)
    this.#registered = view.brokers
    for (const broker of view.brokers) {
      if (broker.id === this.#context.self.id) continue
      let member = this.#members.get(broker.id)
      if (member === undefined || member.replica.storeId !== broker.storeId) {
        member?.close()
        const replica = { id: broker.id, storeId: broker.storeId }
        const { log, emit, lastLeader } = this.#context
        member = new MemberProgress(replica, log, emit, lastLeader.heardAtMs(replica, nowMs))
        this.#members.set(broker.id, member)
      }
      if (member.address !== broker.addresses.replication) member.close()
      member.address = broker.addresses.replication
      this.#openLink(member)
    }
    this.advance(nowMs)
  }

  /** Time has passed: signs of life, lag, links that are silent or down. */
  handleTick(nowMs: number): void {
    // Who was paused itself has no right to blame the others for it.
    const isLate = nowMs - this.#lastTickMs > 4 * TICK_MS
    this.#lastTickMs = nowMs
    this.#marks.handleTick(this.#context.log.syncedOffset, nowMs)
    for (const member of this.#members.values()) {
      if (isLate) member.heardAtMs = nowMs
      if (member.state === 'closed') this.#openLink(member)
      else if (member.isSilent(this.#context.lagMs, nowMs)) member.close()
      member.beat()
    }
    if (isLate) this.#awakeAtMs = nowMs
    else if (this.#isOutOfTouch(nowMs)) this.giveUp()
    const again = this.inSync.takeUnsettled()
    if (again !== undefined) this.#ask(again)
    this.#review(nowMs)
    this.advance(nowMs)
  }

  /** More of this log is written, and being synced. */
  handleWritten(): void {
    for (const member of this.#members.values()) member.readOn()
  }

  /** More of this log is on disk. */
  handleSynced(nowMs: number): void {
    this.advance(nowMs)
  }

  /** A link that was asked for stands. */
  handleLinkOpened(link: LinkId, nowMs: number): void {
    const { id, storeId } = this.#context.self
    const { epoch } = this
    this.#memberOf(link)?.handleOpened({ kind: 'hello', clusterUuid: this.#clusterUuid, id, storeId, epoch }, nowMs)
  }

  /** A link has closed, or did not come to stand. It is opened again with the next tick. */
  handleLinkClosed(link: LinkId): void {
    this.#memberOf(link)?.close()
  }

  /** Nobody listens where a link was to lead: the member's process has ended, and nobody waits for its lag to show. */
  handleLinkRefused(link: LinkId, nowMs: number): void {
    this.#memberOf(link)?.handleGone()
    this.#review(nowMs)
    this.advance(nowMs)
  }

  /** A member has spoken. */
  handleMessage(link: LinkId, message: ReplicaMessage, nowMs: number): void {
    const member = this.#memberOf(link)
    if (member === undefined) return
    if (message.kind === 'synced') {
      if (!member.handleSynced(message.offset, nowMs)) return
      this.#marks.handleSynced(member.replica, member.syncedOffset)
      this.#review(nowMs)
      this.advance(nowMs)
    } else if (message.kind === 'welcome' && member.state === 'greeting' && isSameReplica(message, member.replica)) {
      member.heardAtMs = nowMs
      const reason = member.handleWelcome(message, includesReplica(this.inSync.union(), member.replica))
      if (reason === undefined) return
      member.send({ kind: 'refuse', epoch: this.epoch, reason })
      member.close()
      // A refusal, another store than the one that is registered, or nonsense: a later view or link tells more.
    } else member.close()
  }

  /** A part of the log was read for a member. */
  handleLogRead(link: LinkId, piece: LogPiece): void {
    const member = this.#memberOf(link)
    if (member?.handleLogRead(piece) === false) member.close()
  }

  /** The newest snapshot is open for a member, or there is none. */
  handleSnapshotOpened(link: LinkId, snapshot: { beginOffset: Offset; bytes: number } | undefined): void {
    const member = this.#memberOf(link)
    if (member?.handleSnapshotOpened(snapshot) === false) member.close()
  }

  /** A part of the snapshot was read for a member. */
  handleSnapshotRead(link: LinkId, bytes: Uint8Array): void {
    this.#memberOf(link)?.handleSnapshotRead(bytes)
  }

  /** A write of the in-sync set has ended without a view that settles it. */
  handleUnsettled(token: number): void {
    this.inSync.handleUnsettled(token)
  }

  /** Passes leadership on as soon as everybody who counts has everything. Called again: nothing happens. */
  resign(): void {
    if (this.#resigning === 'no') this.#resigning = 'waiting'
    this.#resignIfReady()
  }

  /** Goes on leading, if the members have not confirmed in time. Once the key's removal was asked for, it is too late. */
  stay(): void {
    if (this.#resigning === 'waiting') this.#resigning = 'no'
  }

  /** Gives leadership up without waiting for anybody: what is not confirmed was not acknowledged. */
  giveUp(): void {
    if (this.#resigning === 'asked') return
    this.#resigning = 'asked'
    this.#context.emit({ kind: 'removeLeader', leaderRevision: this.leaderRevision })
  }

  /** Whether the key was removed is not known: it is removed again in time. */
  handleNotRemoved(): void {
    this.#resigning = 'waiting'
  }

  /** The key is removed: members hear that they may campaign. */
  handOver(): void {
    for (const member of this.#members.values())
      if (includesReplica(this.inSync.members, member.replica)) member.send({ kind: 'handover' })
  }

  /** The reign is over. */
  close(): void {
    for (const member of this.#members.values()) member.close()
    this.#members.clear()
  }

  /**
   * Commits what everybody who counts has synced (R5, R8), this log included (R4), while the lease stands at this very moment (R17). Nothing
   * before the first record of this epoch is among it: then everything below at once (R14).
   */
  advance(nowMs: number): void {
    const { log, lease, emit } = this.#context
    if (lease.isValid(nowMs) && this.#isHeldByEnough) {
      const point = this.inSync.commitPoint((replica) => this.syncedOf(replica))
      if (point > log.highWatermark && point > this.#electedEnd && log.epochStarts.at(-1)?.epoch === this.epoch)
        emit({ kind: 'commit', offset: point })
    }
    this.#resignIfReady()
  }

  /** What a copy has on its disk and has confirmed in this epoch; 0 if nothing. */
  syncedOf(replica: Replica): Offset {
    if (isSameReplica(replica, this.#context.self)) return this.#context.log.syncedOffset
    return this.#progressOf(replica)?.syncedOffset ?? (0 as Offset)
  }

  /** Whether a copy has been out of reach, or behind, for longer than the limit, or its process has ended. */
  isLagging(replica: Replica, nowMs: number): boolean {
    if (isSameReplica(replica, this.#context.self)) return false
    const member = this.#progressOf(replica)
    // Not registered since this leader was elected, or with another store: it has left, or that disk is gone.
    if (member === undefined || member.isGone) return true
    return nowMs - this.#sinceOf(member) > this.#context.lagMs
  }

  /** Changes the in-sync set if it is not as it should be; one change at a time. */
  #review(nowMs: number): void {
    if (this.#resigning === 'asked') return
    const { self, log } = this.#context
    const floor = Math.max(log.highWatermark, this.#electedEnd) as Offset
    const members = this.inSync.propose({
      leader: self,
      replicas: this.#replicas,
      caughtUp: [...this.#members.values()]
        .filter((member) => !includesReplica(this.inSync.members, member.replica))
        .filter((member) => member.isCaughtUp(floor) && !this.isLagging(member.replica, nowMs))
        .map((member) => member.replica),
      isLagging: (replica) => this.isLagging(replica, nowMs),
      syncedOf: (replica) => this.syncedOf(replica),
    })
    if (members !== undefined) this.#ask(members)
  }

  #ask(members: readonly Replica[]): void {
    const token = this.#context.takeNumber()
    this.inSync.handleAsked(members, token)
    this.#context.emit({
      kind: 'changeInSync',
      token,
      epoch: this.epoch,
      members,
      leaderRevision: this.leaderRevision,
      inSyncRevision: this.inSync.modRevision,
    })
  }

  #resignIfReady(): void {
    if (this.#resigning !== 'waiting') return
    const end = this.#context.log.logEndOffset
    if (this.inSync.commitPoint((replica) => this.syncedOf(replica)) >= end) this.giveUp()
  }

  #openLink(member: MemberProgress): void {
    if (member.state === 'closed' && member.address !== undefined) member.open(this.#context.takeNumber())
  }

  /** Since when a copy has not had what the leader had: the older of the last word from it and the last time it was level. */
  #sinceOf(member: MemberProgress): number {
    return Math.min(member.heardAtMs, this.#marks.levelAtMs(member.replica))
  }

  /**
   * Whether so few copies have answered within the limit that nothing can commit, although one of the others in sync lives (it is registered, and
   * its port does not refuse): it may reach more than this leader does, which holds the lead in vain.
   */
  #isOutOfTouch(nowMs: number): boolean {
    const { self, lagMs } = this.#context
    if (nowMs - this.#awakeAtMs <= lagMs) return false
    // One that is not in sync counts too: it is on its way, and takes the place of who does not answer.
    const inTouch = [...this.#members.values()].filter(({ heardAtMs }) => nowMs - heardAtMs <= lagMs)
    if (1 + inTouch.length >= copiesMin(this.#replicas)) return false
    const others = this.inSync.members.filter((replica) => !isSameReplica(replica, self))
    return others.some(
      (replica) => includesReplica(this.#registered, replica) && this.#progressOf(replica)?.isGone === false,
    )
  }

  /** A set that a recovery made has one member: it commits nothing before others are in sync (R6). */
  get #isHeldByEnough(): boolean {
    return this.inSync.members.length >= copiesMin(this.#replicas)
  }

  #progressOf(replica: Replica): MemberProgress | undefined {
    const member = this.#members.get(replica.id)
    return member?.replica.storeId === replica.storeId ? member : undefined
  }

  #memberOf(link: LinkId): MemberProgress | undefined {
    for (const member of this.#members.values()) if (member.link === link) return member
    return undefined
  }
}
