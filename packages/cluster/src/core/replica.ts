import { type Epoch, GomqError, invariant, type Offset } from '@gomq/protocol'
import type { ClusterView, Replica as Copy } from '../cluster-view.js'
import type { WriteOutcome } from '../coordinator.js'
import type { ReplicaMessage } from '../messages.js'
import type { ReplicaRecord } from '../replica-log.js'
import type { ReplicaRole } from '../replication.js'
import type { LinkFailure } from '../transport.js'
import { Candidacy } from './candidacy.js'
import { formationOf, isOwnKey, mismatchOf } from './election.js'
import { LastLeader } from './last-leader.js'
import { LeaderProbe } from './leader-probe.js'
import { Leadership } from './leadership.js'
import { LeaderLease } from './lease.js'
import type { LogView } from './log-view.js'
import { Member } from './member.js'
import type { LinkId, Ready } from './ready.js'
import { RecordKeeper } from './record-keeper.js'
import { ToldLeader } from './told-leader.js'

/** What a replica is made with. */
export interface ReplicaOptions {
  /** Of the broker. */
  readonly id: string
  /** n of the cluster that this broker would form. */
  readonly replicas: number
  /** How long a member may be behind before it leaves the in-sync set, ms. */
  readonly lagMs: number
  /** How long a broker that has passed leadership on does not ask for it again, ms. */
  readonly restMs: number
  /** Where the broker's state goes on. */
  appliedOffset(): Offset
}

/**
 * One broker's part in a cluster: pure, synchronous, driven. Inputs are the `handle*` methods, with the time of a monotonic clock in ms; after
 * each, the driver does what {@link takeReady} gives, in that order. It reads the log's marks and changes nothing itself.
 *
 * A hub: how a leader leads is in `Leadership`, how a member follows in `Member`, how one becomes leader in `Candidacy`.
 */
export class Replica {
  readonly self: Copy
  readonly lease: LeaderLease = new LeaderLease()
  readonly records: RecordKeeper
  readonly #options: ReplicaOptions
  readonly #log: LogView
  readonly #member: Member
  readonly #candidacy: Candidacy
  readonly #probe: LeaderProbe
  readonly #lastLeader = new LastLeader()
  readonly #told: ToldLeader
  #ready: Ready[] = []
  #numbers = 0
  #view: ClusterView | undefined
  #leadership: Leadership | undefined
  #isSuspended = false
  #leaseId: string | undefined
  #isForming = false
  #removing: number | undefined
  #isOver = false
  readonly #links: Set<LinkId> = new Set()

  constructor(options: ReplicaOptions, log: LogView, record: ReplicaRecord | undefined) {
    this.#options = options
    this.#log = log
    this.self = { id: options.id, storeId: log.storeId }
    const emit = (ready: Ready) => void this.#ready.push(ready)
    this.records = new RecordKeeper(record, emit)
    this.#probe = new LeaderProbe(emit)
    this.#told = new ToldLeader(emit)
    const { self, records } = this
    const { appliedOffset } = options
    this.#member = new Member({ self, log, records, emit, appliedOffset })
    this.#candidacy = new Candidacy({ self, log, records, emit, takeNumber: () => ++this.#numbers })
  }

  /** What this broker is at the moment. */
  get role(): ReplicaRole {
    if (this.#leadership !== undefined) return this.#isSuspended ? 'suspended' : 'leader'
    return this.#view?.cluster === undefined ? 'joining' : 'member'
  }
  /** The greatest epoch that it has accepted or won. */
  get epoch(): Epoch {
    return this.records.current.epoch
  }
  /** The newest view of the coordinator; undefined before the first. */
  get view(): ClusterView | undefined {
    return this.#view
  }
  /** Its reign, if it leads. */
  get leadership(): Leadership | undefined {
    return this.#leadership
  }
  /** Whether its log has never held anything and it belongs to no cluster. */
  get isEmpty(): boolean {
    return this.#log.logEndOffset === 0 && this.records.current.clusterUuid === ''
  }
  /** Whether it has failed or left. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** What is to be done now, in order; nothing twice. */
  takeReady(): Ready[] {
    const ready = this.#ready
    this.#ready = []
    return ready
  }

  /** Whether something may be acknowledged at `nowMs`: it leads and its lease stands (R17). */
  mayAcknowledge(nowMs: number): boolean {
    return this.#leadership !== undefined && !this.#isSuspended && this.lease.isValid(nowMs)
  }

  /** Time has passed; each 250 ms or so. */
  handleTick(nowMs: number): void {
    if (this.#isOver) return
    this.#checkLease(nowMs)
    this.#lastLeader.handleTick(nowMs)
    this.#leadership?.handleTick(nowMs)
    this.#probe.proceed(this.#view?.leader)
    this.#proceed(nowMs)
  }

  /** A lease was granted or renewed for `grantedMs` by a request sent at `sentMs`. The view of the same round comes next. */
  handleLease(leaseId: string, sentMs: number, grantedMs: number): void {
    if (this.#isOver) return
    this.#leaseId = leaseId
    this.lease.handleRenewed(sentMs, grantedMs)
  }

  /** The lease is gone, with all that stood under it. */
  handleLeaseLost(leaseId: string, nowMs: number): void {
    if (this.#isOver || this.#leaseId !== leaseId) return
    this.#leaseId = undefined
    this.lease.handleLost()
    if (this.#leadership !== undefined) this.#stepDown(nowMs)
  }

  /** A view of the coordinator; older ones than that which is known are not heard. */
  handleView(view: ClusterView, nowMs: number, isOfRound: boolean = false): void {
    if (this.#isOver || view.revision < (this.#view?.revision ?? 0)) return
    const mismatch = mismatchOf(this.records.current, this.#log, view)
    if (mismatch !== undefined) return this.fail(new GomqError('CONFIG_INVALID', mismatch))
    this.#view = view
    this.#adopt(view)
    if (this.#leadership !== undefined) {
      if (view.leader?.createRevision !== this.#leadership.leaderRevision) this.#stepDown(nowMs)
      else {
        if (isOfRound) this.lease.handleKeySeen()
        this.#checkLease(nowMs)
        this.#leadership.handleView(view, nowMs)
      }
    }
    this.#proceed(nowMs)
  }

  /** A view that was asked for after `floor` had been seen is older than that (R2). */
  handleWentBack(revision: number, floor: number): void {
    this.fail(
      new GomqError(
        'CONFIG_INVALID',
        `the coordinator went back from revision ${floor} to ${revision}: etcd was wiped or restored; see docs/operating/cluster.md, "recover"`,
      ),
    )
  }

  /** The record was saved. */
  handlePersisted(nowMs: number): void {
    this.records.handlePersisted()
    this.#member.handlePersisted()
    this.#proceed(nowMs)
  }

  /** The formation has ended; it may be tried again with the next view. */
  handleFormOutcome(outcome: WriteOutcome, nowMs: number): void {
    this.#isForming = false
    if (outcome.kind !== 'unknown') this.handleView(outcome.view, nowMs)
  }

  /** The campaign has ended: `done`, `refused`, or `unclear` with a view that was read after it (R1). */
  handleCampaignOutcome(
    token: number,
    outcome: { kind: 'done' | 'refused' | 'unclear'; view: ClusterView },
    nowMs: number,
  ): void {
    const won = this.#candidacy.handleOutcome(token, outcome, this.#leaseId)
    if (won === undefined || this.#isOver) return this.handleView(outcome.view, nowMs)
    if (outcome.view.revision >= (this.#view?.revision ?? 0)) this.#view = outcome.view
    this.#adopt(outcome.view)
    if (this.#view?.leader?.createRevision === won.createRevision) this.#lead(won, this.#view, nowMs)
    this.#proceed(nowMs)
  }

  /** A change of the in-sync set has ended. */
  handleInSyncOutcome(token: number, outcome: WriteOutcome, nowMs: number): void {
    if (outcome.kind !== 'unknown') this.handleView(outcome.view, nowMs)
    this.#leadership?.handleUnsettled(token)
  }

  /** A removal of the leader's key has ended. */
  handleRemoveOutcome(leaderRevision: number, outcome: WriteOutcome, nowMs: number): void {
    if (this.#removing === leaderRevision) this.#removing = undefined
    if (outcome.kind === 'done' && this.#leadership?.leaderRevision === leaderRevision) this.#leadership.handOver()
    if (outcome.kind !== 'unknown') return this.handleView(outcome.view, nowMs)
    if (this.#leadership?.leaderRevision === leaderRevision) this.#leadership.handleNotRemoved()
    this.#ready.push({ kind: 'readView' })
  }

  /** Whether a process listens where the leader did: `refused` means that it has ended, and that its key can go. */
  handleProbed(leaderRevision: number, result: LinkFailure | 'open', nowMs: number): void {
    const hasEnded = this.#probe.handleProbed(result)
    if (hasEnded && this.#view?.leader?.createRevision === leaderRevision) this.#removeLeader(leaderRevision)
    this.#proceed(nowMs)
  }

  /** Another broker has opened a link; it speaks first. */
  acceptLink(): LinkId {
    const link = ++this.#numbers
    this.#links.add(link)
    return link
  }

  /** A link that was asked for stands. */
  handleLinkOpened(link: LinkId, nowMs: number): void {
    this.#leadership?.handleLinkOpened(link, nowMs)
  }

  /** A link has closed, or did not come to stand: `refused`, since no process listens there. */
  handleLinkClosed(link: LinkId, nowMs: number, reason?: 'refused'): void {
    this.#links.delete(link)
    if (reason === 'refused') this.#leadership?.handleLinkRefused(link, nowMs)
    else this.#leadership?.handleLinkClosed(link)
    if (link !== this.#member.link) return
    this.#member.leave()
    const leader = this.#view?.leader
    if (leader !== undefined && leader.epoch === this.epoch && leader.id !== this.self.id && !this.#isOver)
      this.#probe.suspect(leader)
    this.#proceed(nowMs)
  }

  /** A message has come. */
  handleMessage(link: LinkId, message: ReplicaMessage, nowMs: number): void {
    if (this.#isOver) return
    this.#checkLease(nowMs)
    if (link === this.#member.link) this.#lastLeader.handleMessage(nowMs)
    if (message.kind === 'hello' && this.#links.has(link)) this.#handleHello(link, message, nowMs)
    else if (link === this.#member.link) this.#member.handleMessage(message)
    else if (this.#links.has(link)) this.#ready.push({ kind: 'closeLink', link })
    else if (message.kind === 'refuse') this.#handleRefused(link, message.epoch, nowMs)
    else this.#leadership?.handleMessage(link, message, nowMs)
    this.#proceed(nowMs)
  }

  /** What the log or the snapshot store was asked for is done; or it could not be done, and the log is as it was. */
  handleLogChanged(isDone: boolean, nowMs: number): void {
    if (isDone) this.#member.handleLogChanged()
    else this.#member.handleLogUnchanged()
    this.#proceed(nowMs)
  }

  /** A piece of a snapshot was taken. */
  handleChunkTaken(): void {
    this.#member.handleChunkTaken()
  }

  /** More of the log is on disk. */
  handleSynced(nowMs: number): void {
    if (this.#isOver) return
    this.#checkLease(nowMs)
    if (this.#leadership !== undefined) this.#leadership.handleSynced(nowMs)
    else this.#member.handleSynced()
  }

  /** Passes leadership on as soon as all in-sync members have everything, and does not ask for it for a while. */
  resign(nowMs: number): void {
    this.#candidacy.rest(nowMs + this.#options.restMs)
    this.#leadership?.resign()
  }

  /** Leaves for good. */
  leave(nowMs: number): void {
    if (this.#isOver) return
    if (this.#leadership !== undefined) this.#stepDown(nowMs)
    this.#member.leave()
    this.#isOver = true
  }

  /** It cannot go on. */
  fail(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#leadership?.close()
    this.#leadership = undefined
    this.#member.leave()
    this.#ready.push({ kind: 'fail', error })
  }

  /** R3: lower epochs are refused; a higher one is on disk before anything else is said. */
  #handleHello(link: LinkId, hello: Extract<ReplicaMessage, { kind: 'hello' }>, nowMs: number): void {
    const { clusterUuid, epoch } = this.records.current
    // Until the coordinator has told which cluster this is, nobody can be answered; the leader tries again.
    if (clusterUuid === '') return void this.#ready.push({ kind: 'closeLink', link })
    const isStranger = hello.clusterUuid !== clusterUuid
    if (isStranger || hello.epoch < epoch || (hello.epoch === epoch && this.#leadership !== undefined)) {
      const reason = isStranger ? `another cluster, ${clusterUuid}` : `epoch ${hello.epoch} is over, ${epoch} is known`
      this.#ready.push({ kind: 'send', link, message: { kind: 'refuse', epoch, reason } }, { kind: 'closeLink', link })
      return
    }
    if (hello.epoch > epoch) this.records.update({ epoch: hello.epoch })
    if (this.#leadership !== undefined) this.#stepDown(nowMs)
    this.#probe.clear()
    this.#lastLeader.handleHello(hello, nowMs)
    this.#member.follow(link, hello.epoch)
  }

  /** A member knows a greater epoch: this reign is over. Who is cut off from the coordinator hears of that by nothing else. */
  #handleRefused(link: LinkId, epoch: Epoch, nowMs: number): void {
    this.#leadership?.handleLinkClosed(link)
    if (this.#leadership === undefined || epoch <= this.#leadership.epoch) return
    if (this.lease.isValid(nowMs)) this.#ready.push({ kind: 'readView' })
    else this.#stepDown(nowMs)
  }

  /** Takes over what the view says of the cluster. */
  #adopt(view: ClusterView): void {
    const { current } = this.records
    if (view.cluster === undefined) return
    if (current.clusterUuid === '')
      this.records.update({ clusterUuid: view.cluster.uuid, coordinatorId: view.coordinatorId })
    this.records.handleView(view)
  }

  /** Whatever has become possible. */
  #proceed(nowMs: number): void {
    const view = this.#view
    if (this.#isOver || view === undefined) return
    if (this.#leadership === undefined) {
      const members =
        this.#isForming || !this.isEmpty ? undefined : formationOf(view, this.self, this.#options.replicas)
      if (members !== undefined) {
        this.#isForming = true
        this.#ready.push({ kind: 'form', replicas: this.#options.replicas, members })
      }
      // A reign that this broker does not know of: won by an answer that was lost, or before it was started again.
      if (isOwnKey(view, this.self) && !this.#candidacy.isUnderWay) this.#removeLeader(view.leader!.createRevision)
      else if (!this.#member.isBusy && this.#candidacy.proceed(view, this.#leaseId, nowMs))
        this.#member.fence(this.epoch)
    }
    this.#tell()
  }

  #lead(key: NonNullable<ClusterView['leader']>, view: ClusterView, nowMs: number): void {
    // A later leader was accepted while the answer was on its way (R3).
    if (this.epoch !== key.epoch) return this.#removeLeader(key.createRevision)
    invariant(!this.#member.isBusy, 'a log that is being changed cannot lead')
    this.#member.leave()
    this.lease.handleKeySeen()
    const emit = (ready: Ready) => void this.#ready.push(ready)
    const own = { self: this.self, log: this.#log, lease: this.lease, lastLeader: this.#lastLeader, emit }
    const context = { ...own, lagMs: this.#options.lagMs, takeNumber: () => ++this.#numbers }
    this.#leadership = new Leadership(context, key, view, nowMs)
    this.#isSuspended = false
    this.#told.handleLead()
    this.#ready.push({ kind: 'lead', epoch: key.epoch })
    this.#checkLease(nowMs)
    this.#leadership.handleView(view, nowMs)
  }

  #stepDown(nowMs: number): void {
    const wasResigning = this.#leadership?.isResigning === true
    this.#leadership?.close()
    this.#leadership = undefined
    this.#isSuspended = false
    if (wasResigning) this.#candidacy.rest(nowMs + this.#options.restMs)
    this.#told.handleStepDown()
    this.#tell()
  }

  /** R18: what the lease allows, at this moment. */
  #checkLease(nowMs: number): void {
    if (this.#leadership === undefined || this.#isSuspended !== this.lease.isValid(nowMs)) return
    this.#isSuspended = !this.#isSuspended
    this.#ready.push({ kind: 'suspend', isSuspended: this.#isSuspended })
    if (!this.#isSuspended) this.#leadership.advance(nowMs)
  }

  #removeLeader(leaderRevision: number): void {
    if (this.#removing !== undefined) return
    this.#removing = leaderRevision
    this.#ready.push({ kind: 'removeLeader', leaderRevision })
  }

  /** Tells the broker who leads, when that has changed. */
  #tell(): void {
    if (this.#leadership === undefined && this.#view?.cluster !== undefined) this.#told.tell(this.#view, this.self)
  }
}
