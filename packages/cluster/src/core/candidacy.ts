import type { Epoch } from '@gomq/protocol'
import type { ClusterView, LeaderKey, Replica } from '../cluster-view.js'
import { isOwnKey, mayCampaign, nextEpoch } from './election.js'
import type { LogView } from './log-view.js'
import type { Emit } from './ready.js'
import type { RecordKeeper } from './record-keeper.js'

/** What a candidacy needs from the replica that it belongs to. */
export interface CandidacyContext {
  readonly self: Replica
  readonly log: LogView
  readonly records: RecordKeeper
  readonly emit: Emit
  takeNumber(): number
}

/**
 * How a broker comes to lead (R1): it puts the epoch that it wants on its disk, and so refuses every older leader, whether it wins or not (R3);
 * then it asks, once. An epoch is given once, as the transaction that wins it raises it.
 */
export class Candidacy {
  readonly #context: CandidacyContext
  #campaign: { readonly token: number; readonly epoch: Epoch; readonly leaseId: string } | undefined
  #restsUntilMs = Number.NEGATIVE_INFINITY

  constructor(context: CandidacyContext) {
    this.#context = context
  }

  /** Whether a campaign waits for its outcome. */
  get isUnderWay(): boolean {
    return this.#campaign !== undefined
  }

  /** Does not ask before that time. */
  rest(untilMs: number): void {
    this.#restsUntilMs = untilMs
  }

  /**
   * Asks for leadership if that is possible: first the epoch is saved, and when it is, a later call asks. Nobody may be changing the log
   * meanwhile. @returns whether older leaders are refused from now on
   */
  proceed(view: ClusterView, leaseId: string | undefined, nowMs: number): boolean {
    const { self, log, records, emit } = this.#context
    if (this.#campaign !== undefined || leaseId === undefined || nowMs < this.#restsUntilMs) return false
    if (!mayCampaign(view, self) || records.current.isFilling) return false
    const epoch = nextEpoch(view, records.current, log)
    if (epoch === undefined) return false
    if (records.current.epoch < epoch) records.update({ epoch })
    if (!records.isSettled) return true
    this.#campaign = { token: this.#context.takeNumber(), epoch, leaseId }
    const { members, modRevision } = view.inSync!
    emit({ kind: 'campaign', ...this.#campaign, members, inSyncRevision: modRevision })
    return true
  }

  /**
   * The campaign has ended. @returns the key, if this broker leads now: it was won under the lease that it still holds. After an unclear outcome the
   * view tells; if it shows nothing, the asking may still arrive, and the lease goes so that it comes to nothing (R1).
   */
  handleOutcome(
    token: number,
    outcome: { readonly kind: 'done' | 'refused' | 'unclear'; readonly view: ClusterView },
    leaseId: string | undefined,
  ): LeaderKey | undefined {
    const campaign = this.#campaign
    if (campaign?.token !== token) return undefined
    this.#campaign = undefined
    const { leader } = outcome.view
    const isWon = isOwnKey(outcome.view, this.#context.self) && leader?.epoch === campaign.epoch
    if (outcome.kind === 'unclear' && !isWon) this.#context.emit({ kind: 'dropLease', leaseId: campaign.leaseId })
    return isWon && outcome.kind !== 'refused' && campaign.leaseId === leaseId ? leader : undefined
  }
}
