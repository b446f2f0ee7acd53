import type { GomqError } from '@gomq/protocol'

/** Someone who waits for a result. The session calls exactly one of the two, once; what they do must not call back into it. */
export interface Waiter<T> {
  resolve(value: T): void
  reject(error: GomqError): void
}
