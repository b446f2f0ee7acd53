import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ProbeAnswer, ProbeRequest } from './probe.js'

/** Asks the probe in a process that was started with it. */
export async function askProbe<K extends ProbeRequest['kind']>(
  child: ChildProcess,
  kind: K,
): Promise<Extract<ProbeAnswer, { kind: K }>> {
  child.send({ kind })
  const [answer] = await once(child, 'message')
  return answer
}

/** A process that does nothing, beside one that is measured: the pauses of its event loop are the machine's, and nobody else's. */
export class IdleLoop {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Starts it. It ends with {@link end}, or with this process. */
  static start(): IdleLoop {
    const probe = ['--import', new URL('./probe.js', import.meta.url).href]
    const code = "process.once('disconnect', () => process.exit()); setInterval(() => {}, 1e9)"
    return new IdleLoop(
      spawn(process.execPath, [...probe, '--eval', code], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
    )
  }

  /** Its pauses count from now on. */
  async watch(): Promise<void> {
    await askProbe(this.#child, 'watch')
  }

  /** Its pauses since {@link watch}. */
  watched(): Promise<Extract<ProbeAnswer, { kind: 'watched' }>> {
    return askProbe(this.#child, 'watched')
  }

  end(): void {
    this.#child.kill('SIGKILL')
  }
}
