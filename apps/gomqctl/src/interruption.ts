import { ExitCode } from './exit.js'

/**
 * SIGINT and SIGTERM as something to wait for, so that a command can end in order. A second signal ends the process at once.
 * Listens until it is disposed.
 */
export class Interruption implements Disposable {
  /** Resolves at the first signal. */
  readonly signalled: Promise<void>
  #signal: 'SIGINT' | 'SIGTERM' | undefined
  readonly #process: NodeJS.Process
  #resolve!: () => void

  constructor(process: NodeJS.Process) {
    this.#process = process
    this.signalled = new Promise((resolve) => (this.#resolve = resolve))
    process.on('SIGINT', this.#onSigint)
    process.on('SIGTERM', this.#onSigterm)
  }

  /** Exit code for the first signal, as shells give it; undefined if none came. */
  get exitCode(): number | undefined {
    if (this.#signal === undefined) return undefined
    return this.#signal === 'SIGINT' ? ExitCode.INTERRUPTED : ExitCode.TERMINATED
  }

  [Symbol.dispose](): void {
    this.#process.removeListener('SIGINT', this.#onSigint)
    this.#process.removeListener('SIGTERM', this.#onSigterm)
  }

  readonly #onSigint = () => this.#handle('SIGINT')
  readonly #onSigterm = () => this.#handle('SIGTERM')

  #handle(signal: 'SIGINT' | 'SIGTERM'): void {
    if (this.#signal !== undefined) return this.#process.exit(this.exitCode)
    this.#signal = signal
    this.#resolve()
  }
}
