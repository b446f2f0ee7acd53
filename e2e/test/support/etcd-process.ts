import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.js'

/** Why there can be no etcd here; undefined: there is one. Installs it on a Debian where we are root. */
export const etcdMissing: string | undefined = missing()

/** An etcd, or one member of it, in a process of its own, with its data in a folder of its own. */
export class EtcdProcess {
  readonly url: string
  readonly #peerUrl: string
  readonly #name: string
  /** `name=url` of all members. */
  #members: string
  readonly #directory = mkdtempSync(join(tmpdir(), 'gomq-etcd-'))
  #process: ChildProcess | undefined

  private constructor(name: string, port: number, peerPort: number) {
    this.#name = name
    this.url = `http://127.0.0.1:${port}`
    this.#peerUrl = `http://127.0.0.1:${peerPort}`
    this.#members = `${name}=${this.#peerUrl}`
  }

  static async start(): Promise<EtcdProcess> {
    const [etcd] = await EtcdProcess.startMembers(1)
    return etcd!
  }

  /** One etcd of so many members. */
  static async startMembers(count: number): Promise<EtcdProcess[]> {
    const etcds: EtcdProcess[] = []
    for (let i = 1; i <= count; i++) etcds.push(new EtcdProcess(`e${i}`, await freePort(), await freePort()))
    const members = etcds.map((etcd) => etcd.#members).join(',')
    for (const etcd of etcds) etcd.#members = members
    await Promise.all(etcds.map((etcd) => etcd.start()))
    return etcds
  }

  /** Starts it again, where it was. @returns when it knows a leader of etcd's */
  async start(): Promise<void> {
    this.#process = spawn(
      'etcd',
      [
        ...['--name', this.#name, '--data-dir', join(this.#directory, 'data'), '--log-level', 'error'],
        ...['--listen-client-urls', this.url, '--advertise-client-urls', this.url],
        ...['--listen-peer-urls', this.#peerUrl, '--initial-advertise-peer-urls', this.#peerUrl],
        ...['--initial-cluster', this.#members],
      ],
      { stdio: 'ignore', env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch } },
    )
    for (let i = 0; i < 200; i++) {
      const answer = await fetch(`${this.url}/health`).catch(() => undefined)
      if (answer?.ok) return
      await sleep(50)
    }
    throw new Error('etcd does not come up')
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal)
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    const ended = this.#process
    if (ended === undefined || ended.exitCode !== null || ended.signalCode !== null) return
    const exited = new Promise((resolve) => ended.once('exit', resolve))
    ended.kill('SIGKILL')
    await exited
  }

  /** Ends it, and keeps what it knows now for {@link restore}. Start it again. */
  async backUp(): Promise<void> {
    await this.kill()
    cpSync(join(this.#directory, 'data'), join(this.#directory, 'copy'), { recursive: true })
  }

  /** Ends it and puts back what {@link backUp} has kept. */
  async restore(): Promise<void> {
    await this.wipe()
    cpSync(join(this.#directory, 'copy'), join(this.#directory, 'data'), { recursive: true })
  }

  /** Ends it and forgets everything it knew. */
  async wipe(): Promise<void> {
    await this.kill()
    rmSync(join(this.#directory, 'data'), { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

function missing(): string | undefined {
  if (hasEtcd()) return undefined
  if (process.platform === 'linux' && process.getuid?.() === 0) {
    // A policy that says no: the package's own service is not wanted.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
    spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'etcd-server'], { stdio: 'ignore', env })
    if (!hasEtcd()) {
      spawnSync('apt-get', ['update'], { stdio: 'ignore', env })
      spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'etcd-server'], { stdio: 'ignore', env })
    }
  }
  return hasEtcd() ? undefined : "etcd is not installed (package etcd-server; 'apt-get install etcd-server')"
}

function hasEtcd(): boolean {
  return spawnSync('etcd', ['--version'], { stdio: 'ignore' }).status === 0
}
