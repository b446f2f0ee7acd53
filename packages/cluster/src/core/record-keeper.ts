import type { Epoch } from '@gomq/protocol'
import type { ClusterView } from '../cluster-view.js'
import type { ReplicaRecord } from '../replica-log.js'
import type { Emit } from './ready.js'

const NEW_RECORD: ReplicaRecord = {
  clusterUuid: '',
  epoch: 0 as Epoch,
  coordinatorId: '',
  coordinatorRevision: 0,
  isFilling: false,
}

/** What is kept on disk of the cluster, and what waits for it to be there. One save at a time; what changes meanwhile goes with the next. */
export class RecordKeeper {
  readonly #emit: Emit
  #wanted: ReplicaRecord
  #saved: ReplicaRecord
  #saving: ReplicaRecord | undefined

  constructor(loaded: ReplicaRecord | undefined, emit: Emit) {
    this.#emit = emit
    this.#wanted = this.#saved = loaded ?? NEW_RECORD
  }

  /** As it is to be; decisions go by it, but nothing leaves the broker that a crash could contradict: see {@link isSettled}. */
  get current(): ReplicaRecord {
    return this.#wanted
  }

  /** Whether all of it is on disk. */
  get isSettled(): boolean {
    return this.#saved === this.#wanted
  }

  /** Changes it, and has it saved. What it is already costs nothing. */
  update(change: Partial<ReplicaRecord>): void {
    const fields = Object.keys(change) as (keyof ReplicaRecord)[]
    if (fields.every((field) => change[field] === this.#wanted[field])) return
    this.#wanted = { ...this.#wanted, ...change }
    this.#saveNext()
  }

  /**
   * Remembers how far the coordinator was (R2). Only what concerns this cluster counts, so that others on the same etcd cost no writes.
   */
  handleView(view: ClusterView): void {
    const revision = Math.max(view.inSync?.modRevision ?? 0, view.leader?.createRevision ?? 0)
    if (revision > this.#wanted.coordinatorRevision) this.update({ coordinatorRevision: revision })
  }

  /** The last save has ended. */
  handlePersisted(): void {
    if (this.#saving !== undefined) this.#saved = this.#saving
    this.#saving = undefined
    this.#saveNext()
  }

  #saveNext(): void {
    if (this.#saving !== undefined || this.isSettled) return
    this.#saving = this.#wanted
    this.#emit({ kind: 'persist', record: this.#wanted })
  }
}
