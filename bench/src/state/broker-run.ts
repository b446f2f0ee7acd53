import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { askProbe } from './idle-loop.js'
import type { ProbeAnswer, ProbeRequest } from './probe.js'

/** What the broker's log says about its recovery; times in ms. */
export interface Recovery {
  readonly segmentsMs: number
  readonly activeMs: number
  readonly snapshotMs: number
  readonly replayMs: number
  readonly snapshotEntries: number
  readonly replayedBytes: number
  readonly highWatermark: number
}

/** A start of the broker on a data directory that is there before and stays. */
export class BrokerRun {
  readonly address: string
  readonly httpAddress: string
  /** From the spawn of the process to its ready line. */
  readonly readyMs: number
  /** The part of {@link readyMs} before the program does anything: Node starts and loads it. */
  readonly loadMs: number
  readonly recovery: Recovery
  readonly #child: ChildProcess
  /** Lines of its log, parsed. */
  readonly #lines: Record<string, unknown>[]

  private constructor(
    child: ChildProcess,
    { tcp, http }: { readonly tcp: string; readonly http: string },
    readyMs: number,
    lines: Record<string, unknown>[],
  ) {
    this.#child = child
    this.address = tcp
    this.httpAddress = http
    this.readyMs = readyMs
    this.#lines = lines
    const { startMs } = lines.find((line) => line['msg'] === 'ready') as { startMs: number }
    this.loadMs = readyMs - startMs
    this.recovery = lines.find((line) => line['msg'] === 'the log is recovered') as unknown as Recovery
  }

  /**
   * Starts the built broker.
   * @param options.probe  whether {@link ask} is wanted; it makes the start slower
   */
  static async start(
    dataDirectory: string,
    options: { readonly probe?: boolean; readonly args?: readonly string[] } = {},
  ): Promise<BrokerRun> {
    const main = fileURLToPath(new URL('../bin/gomq.js', import.meta.resolve('@gomq/broker')))
    const probe = ['--expose-gc', '--import', new URL('./probe.js', import.meta.url).href]
    const nodeArgs = [...(process.env['GOMQ_BENCH_NODE_ARGS']?.split(' ') ?? []), ...(options.probe ? probe : [])]
    const args = ['--data-dir', dataDirectory, '--tcp', '127.0.0.1:0', '--http', '127.0.0.1:0', '--log-level', 'debug']
    const startedMs = performance.now()
    const child = spawn(process.execPath, [...nodeArgs, main, ...args, ...(options.args ?? [])], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    const endChild = () => void child.kill('SIGKILL')
    process.once('exit', endChild)
    child.once('exit', () => process.removeListener('exit', endChild))
    const lines: Record<string, unknown>[] = []
    const errors = createInterface({ input: child.stderr! })
    errors.on('line', (line) => {
      if (line.startsWith('{')) lines.push(JSON.parse(line))
      else process.stderr.write(`${line}\n`)
    })
    const [addresses, readyMs] = await new Promise<[{ tcp: string; http: string }, number]>((resolve, reject) => {
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const match = /ready tcp=(\S+) http=(\S+)/.exec(line)
        if (match) resolve([{ tcp: match[1]!, http: match[2]! }, performance.now() - startedMs])
      })
      child.once('exit', (code) =>
        reject(new Error(`the broker ended with code ${code} before it was ready: ${JSON.stringify(lines.at(-1))}`)),
      )
    })
    while (!lines.some((line) => line['msg'] === 'ready')) await once(errors, 'line')
    return new BrokerRun(child, addresses, readyMs, lines)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Asks the probe. */
  async ask<K extends ProbeRequest['kind']>(kind: K): Promise<Extract<ProbeAnswer, { kind: K }>> {
    return askProbe(this.#child, kind)
  }

  /** Waits for a line of the broker's log, for the nth one with this message; those that came already count. */
  async logged(message: string, n = 1): Promise<Record<string, unknown>> {
    for (;;) {
      const line = this.allLogged(message)[n - 1]
      if (line !== undefined) return line
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** All lines of the broker's log so far with this message. */
  allLogged(message: string): Record<string, unknown>[] {
    return this.#lines.filter((each) => each['msg'] === message)
  }

  /** Stops it in order. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  /** Ends it as `kill -9` does. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const gone = once(this.#child, 'exit')
    this.#child.kill(signal)
    await gone
  }
}
