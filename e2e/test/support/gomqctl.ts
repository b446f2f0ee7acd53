import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { BrokerProcess } from './broker-process.js'

const MAIN = fileURLToPath(new URL('../../../apps/gomqctl/bin/gomqctl.js', import.meta.url))
/** Makes the program believe that it writes to a terminal of 100 columns. */
const TERMINAL =
  'data:text/javascript,for (const s of [process.stdout, process.stderr]) { s.isTTY = true; s.columns = 100 }'
/** Where there are no contexts, whatever the one who runs the tests keeps. */
const NO_CONTEXTS = '/nonexistent'
const OUTPUT_WITHIN_MS = 20_000

/** What a test may ask of gomqctl beside its arguments. */
export interface GomqctlOptions {
  /** All of standard input; without it standard input is empty. */
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Standard output and error are a terminal. */
  readonly isTerminal?: boolean
}

/** What gomqctl did. */
export interface GomqctlResult {
  readonly code: number | null
  readonly stdout: string
  /** Standard output as it is. */
  readonly bytes: Buffer
  readonly stderr: string
}

/** Runs the built gomqctl against the broker in a process of its own, to its end. */
export async function gomqctl(
  broker: Pick<BrokerProcess, 'tcp'>,
  args: readonly string[],
  options: GomqctlOptions = {},
): Promise<GomqctlResult> {
  const running = new GomqctlProcess(broker, args, options)
  running.end(options.input)
  return running.finished
}

/** The built gomqctl while it runs. */
export class GomqctlProcess {
  /** Resolves when the process has ended and its output is read. */
  readonly finished: Promise<GomqctlResult>
  readonly #child: ChildProcess
  readonly #chunks: Buffer[] = []
  #stderr = ''

  constructor(broker: Pick<BrokerProcess, 'tcp'>, args: readonly string[], options: GomqctlOptions = {}) {
    const nodeArgs = options.isTerminal === true ? ['--import', TERMINAL] : []
    const child = spawn(process.execPath, [...nodeArgs, MAIN, ...args], {
      env: { ...process.env, XDG_CONFIG_HOME: NO_CONTEXTS, GOMQ_CONNECT: broker.tcp, ...options.env },
      stdio: 'pipe',
    })
    this.#child = child
    child.stdout.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()))
    // A program that ends before it has read its input is nothing to die of.
    child.stdin.on('error', () => {})
    this.finished = once(child, 'close').then(([code]) => {
      const bytes = Buffer.concat(this.#chunks)
      return { code: code as number | null, stdout: bytes.toString(), bytes, stderr: this.#stderr }
    })
  }

  /** Standard output so far. */
  get stdout(): string {
    return Buffer.concat(this.#chunks).toString()
  }

  get stderr(): string {
    return this.#stderr
  }

  /** Writes to standard input. */
  type(text: string): void {
    this.#child.stdin!.write(text)
  }

  /** Closes standard input, after what is given. */
  end(input?: string | Uint8Array): void {
    this.#child.stdin!.end(input)
  }

  /** Closes the reading end of its standard output. */
  closeOutput(): void {
    this.#child.stdout!.destroy()
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits until the condition holds for what was printed. */
  async printed(condition: (running: this) => boolean): Promise<void> {
    const deadlineMs = Date.now() + OUTPUT_WITHIN_MS
    while (!condition(this)) {
      if (Date.now() > deadlineMs || this.#child.exitCode !== null)
        throw new Error(`gomqctl did not print what was waited for; stdout:\n${this.stdout}\nstderr:\n${this.stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL')
  }
}

/** Starts `sub` and resolves when the broker has the subscription. */
export async function startSub(broker: Pick<BrokerProcess, 'tcp'>, args: readonly string[]): Promise<GomqctlProcess> {
  const running = new GomqctlProcess(broker, [...args, 'sub'], { isTerminal: true })
  await running.printed(({ stderr }) => stderr.includes('listening to'))
  return running
}
