import { GomqError } from '@gomq/protocol'

/** The error of a call whose signal fired. */
export function abortError(signal: AbortSignal, what: string): GomqError {
  return new GomqError('ABORTED', `${what} was aborted by its signal`, { cause: signal.reason })
}

/**
 * `promise`, unless `signal` fires first: then `onAbort` is called and the result rejects with ABORTED. What becomes of `promise`
 * after that is ignored.
 */
export function withSignal<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  what: string,
  onAbort: () => void,
): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = () => {
      onAbort()
      reject(abortError(signal, what))
    }
    if (signal.aborted) {
      promise.catch(() => {})
      abort()
      return
    }
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
