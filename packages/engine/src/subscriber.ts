/** What a subscription knows of the connection that it is attached to. */
export interface Subscriber {
  /** Number of the connection. */
  readonly id: number
  readonly clientId: string
  /** Whether it is given compressed batches as they are. */
  readonly readsDeflate: boolean
  /** Whether the driver's output is above its bound: nothing is delivered then. */
  readonly isBlocked: boolean
}
