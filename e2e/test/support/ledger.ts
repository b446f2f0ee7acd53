/** What producers were told about each message they published, to be held against what the broker stored. */
export class Ledger {
  /** By producer: the fate of its messages in the order of publishing. */
  readonly #fates = new Map<string, ('acked' | 'refused' | 'unknown')[]>()

  /** Records how a publish settled. Messages of a producer are numbered from 0 without a gap. */
  settle(producer: string, sequence: number, fate: 'acked' | 'refused' | 'unknown'): void {
    let fates = this.#fates.get(producer)
    if (fates === undefined) this.#fates.set(producer, (fates = []))
    fates[sequence] = fate
  }

  count(fate: 'acked' | 'refused' | 'unknown'): number {
    let count = 0
    for (const fates of this.#fates.values()) for (const each of fates) if (each === fate) count++
    return count
  }

  /** Compares with what was read, in the order of offsets; it should be {@link NOTHING_WRONG}. */
  audit(stored: readonly string[]): LedgerAudit {
    const seen = new Map<string, number>()
    const last = new Map<string, number>()
    const audit = { stored: stored.length, ...NOTHING_WRONG }
    for (const message of stored) {
      const [producer = '', number = ''] = message.split(':')
      const sequence = Number(number)
      const fate = this.#fates.get(producer)?.[sequence]
      if (fate === undefined) audit.unheardOf++
      if (fate === 'refused') audit.refusedButStored++
      const times = (seen.get(message) ?? 0) + 1
      seen.set(message, times)
      if (times > 1) audit.duplicated++
      else if (sequence < (last.get(producer) ?? -1)) audit.outOfOrder++
      last.set(producer, Math.max(sequence, last.get(producer) ?? -1))
    }
    for (const [producer, fates] of this.#fates) {
      for (let sequence = 0; sequence < fates.length; sequence++) {
        if (fates[sequence] !== 'acked' || seen.has(`${producer}:${sequence}`)) continue
        audit.lost++
        if (audit.firstLost === '') audit.firstLost = `${producer}:${sequence}`
      }
    }
    return audit
  }
}

/** Counts of what went wrong; `firstLost` names a message to look for. */
export interface LedgerAudit {
  readonly stored: number
  readonly lost: number
  readonly duplicated: number
  readonly outOfOrder: number
  readonly refusedButStored: number
  readonly unheardOf: number
  readonly firstLost: string
}

/** An audit of a broker that keeps its promises, whatever it stored: nothing lost, doubled, reordered or made up. */
export const NOTHING_WRONG: Omit<LedgerAudit, 'stored'> = {
  lost: 0,
  duplicated: 0,
  outOfOrder: 0,
  refusedButStored: 0,
  unheardOf: 0,
  firstLost: '',
}
