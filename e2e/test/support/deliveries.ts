/** What a consumer was handed, message by message: texts of the form `producer:sequence`, as a {@link Ledger} knows them. */
export class Deliveries {
  readonly #times = new Map<string, number>()
  readonly #received: string[] = []
  readonly #last = new Map<string, number>()
  #doubled = 0
  #outOfOrder = 0

  /** Records one call of the consumer's loop. */
  note(text: string): void {
    const times = (this.#times.get(text) ?? 0) + 1
    this.#times.set(text, times)
    this.#received.push(text)
    if (times > 1) {
      this.#doubled++
      return
    }
    const [producer = '', number = ''] = text.split(':')
    const sequence = Number(number)
    const last = this.#last.get(producer) ?? -1
    if (sequence < last) this.#outOfOrder++
    else this.#last.set(producer, sequence)
  }

  /** Everything as it came, for {@link Ledger.audit}. */
  get received(): readonly string[] {
    return this.#received
  }

  has(text: string): boolean {
    return this.#times.has(text)
  }

  /** Different messages. */
  get count(): number {
    return this.#times.size
  }

  /** Deliveries of a message beyond its first. */
  get doubled(): number {
    return this.#doubled
  }

  /** Messages that came behind a later one of their producer. */
  get outOfOrder(): number {
    return this.#outOfOrder
  }

  /** How many of `stored` never came. */
  missing(stored: readonly string[]): number {
    return stored.filter((text) => !this.#times.has(text)).length
  }

  /** Compares with what is stored; it should be {@link ONCE_IN_ORDER}. */
  audit(stored: readonly string[]): DeliveryAudit {
    const { doubled, outOfOrder } = this
    return { missed: this.missing(stored), doubled, outOfOrder }
  }
}

/** Counts of what went wrong. */
export interface DeliveryAudit {
  readonly missed: number
  readonly doubled: number
  readonly outOfOrder: number
}

/** The audit of a consumer that got everything once and in order. */
export const ONCE_IN_ORDER: DeliveryAudit = { missed: 0, doubled: 0, outOfOrder: 0 }
