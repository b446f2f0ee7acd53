import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Warmed } from './warm-up.js'
import type { WorkerOrder, WorkerReport, WorkerResult, WorkerTask } from './worker-task.js'

/** A producer, or consumers, in a process of its own. */
export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #ready: Promise<void>
  readonly #warm: Promise<Warmed>
  /** What the worker measured; rejects if it ends without a result. */
  readonly done: Promise<WorkerResult>

  constructor(task: WorkerTask, onProgress: (messages: number) => void) {
    const profileArgs = process.env['GOMQ_BENCH_WORKER_ARGS']?.split(' ') ?? []
    this.#child = fork(fileURLToPath(new URL('./worker.js', import.meta.url)), [JSON.stringify(task)], {
      execArgv: profileArgs,
    })
    let ready = () => {}
    let warm = (_warmed: Warmed) => {}
    this.#ready = new Promise((resolve) => (ready = resolve))
    this.#warm = new Promise((resolve) => (warm = resolve))
    this.done = new Promise((resolve, reject) => {
      this.#child.on('message', (message: WorkerReport) => {
        if (message.kind === 'ready') ready()
        if (message.kind === 'warm') warm(message)
        if (message.kind === 'progress') onProgress(message.messages)
        if (message.kind === 'done') resolve(message)
      })
      this.#child.once('exit', (code) =>
        reject(new Error(`the worker (${task.kind}, ${task.system}) ended with code ${code} before it was done`)),
      )
    })
    this.done.catch(() => {})
  }

  /** Waits until the worker is connected. @throws Error  it ended before */
  async ready(): Promise<void> {
    await Promise.race([this.#ready, this.done])
  }

  /**
   * Lets it warm up.
   * @param messages  at most, of a producer; exactly, of a consumer
   * @throws Error    it ended before
   */
  async warmUp(messages: number, sec: number): Promise<Warmed> {
    this.#order({ kind: 'warm-up', messages, sec })
    return Promise.race([this.#warm, this.done])
  }

  /** Lets it begin, with so many messages, of each subscriber if it consumes. */
  start(messages: number): void {
    this.#order({ kind: 'start', messages })
  }

  /** Tells a consumer that nothing more is published. @returns what it measured */
  finish(): Promise<WorkerResult> {
    this.#order({ kind: 'finish' })
    return this.done
  }

  /** Ends it, done or not. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #order(order: WorkerOrder): void {
    // One that is done has gone and needs no orders.
    if (this.#child.connected) this.#child.send(order, () => undefined)
  }
}
