import { randomUUID } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { GomqError } from '@gomq/protocol'
import type { DirectoryLock } from '../file-system.js'

/** Claims are files with this prefix. */
const PREFIX = 'LOCK.'
/** How often an owner shows that it lives. */
const TOUCH_INTERVAL_MS = 1_000
/** How long after it was touched a claim is safe for sure: nobody has watched it for long enough, whenever he began. */
const SAFE_MS = 3_000
/** How long the claim of a process that cannot be seen from here is watched, before it is taken for dead. */
const WATCH_MS = 4_000
const WATCH_INTERVAL_MS = 250
/** Attempts of two that start at once, to find out who was first. */
const ATTEMPTS = 5

/** Who made a claim, in the words of the kernel; empty where it does not say. */
interface Owner {
  readonly pid: number
  /** In clock ticks since boot, so that a reused pid is not taken for the owner. */
  readonly startTime: string
  /** Boot and pid namespace: what a pid and a start time are relative to. */
  readonly world: string
}

/**
 * Locks a directory. Node has no `flock`, so everyone who wants the lock first puts a claim there, a file of its own name, and then looks at
 * the others: whoever sees a living one withdraws. Of two who come at once both may withdraw; they try again after a random while.
 *
 * A claim lives if its process does. A process of another pid namespace or machine (containers, where every broker may be pid 1) cannot be
 * seen; it shows that it lives by touching its claim each second, so that its claim is watched for 4 seconds. An owner whose claim was taken
 * away nevertheless, because it stood still for so long, learns so through `onLost`.
 */
export async function lockDirectory(directory: string, onLost?: (error: GomqError) => void): Promise<DirectoryLock> {
  const name = `${PREFIX}${process.pid}.${randomUUID().slice(0, 8)}`
  const path = join(directory, name)
  for (let attempt = 1; ; attempt++) {
    const madeMs = performance.now()
    await putClaim(path)
    let living: Owner | undefined
    try {
      living = await livingOwner(directory, name)
    } catch (error) {
      await fs.promises.rm(path, { force: true })
      throw error
    }
    if (living === undefined) return new ClaimLock(directory, path, madeMs, onLost)
    await fs.promises.rm(path, { force: true })
    if (attempt === ATTEMPTS) {
      throw new GomqError(
        'DATA_DIR_LOCKED',
        `the data directory ${directory} is used by process ${living.pid}; stop it or choose another --data-dir`,
      )
    }
    await sleep(5 + Math.random() * 20 * attempt)
  }
}

class ClaimLock implements DirectoryLock {
  readonly #directory: string
  readonly #path: string
  readonly #onLost: ((error: GomqError) => void) | undefined
  readonly #timer: NodeJS.Timeout
  /** When the last touch that went through was begun. */
  #touchedMs: number

  /** @param madeMs  when the claim was put there, or before */
  constructor(directory: string, path: string, madeMs: number, onLost: ((error: GomqError) => void) | undefined) {
    this.#directory = directory
    this.#path = path
    this.#onLost = onLost
    this.#touchedMs = madeMs
    this.#timer = setInterval(() => void this.#touch(), TOUCH_INTERVAL_MS)
    this.#timer.unref()
  }

  confirm(): Promise<void> | undefined {
    return performance.now() - this.#touchedMs < SAFE_MS ? undefined : this.#touch()
  }

  async release(): Promise<void> {
    clearInterval(this.#timer)
    await fs.promises.rm(this.#path, { force: true })
  }

  async #touch(): Promise<void> {
    const startedMs = performance.now()
    try {
      await fs.promises.utimes(this.#path, new Date(), new Date())
      this.#touchedMs = Math.max(this.#touchedMs, startedMs)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') this.#handleLost()
    }
  }

  #handleLost(): void {
    clearInterval(this.#timer)
    this.#onLost?.(
      new GomqError(
        'DATA_DIR_LOCKED',
        `the lock of ${this.#directory} was taken away while this process stood still; another one may write there, so this one stops`,
      ),
    )
  }
}

/** A claim appears with its content or not at all. */
async function putClaim(path: string): Promise<void> {
  const { pid, startTime, world } = ownerNow()
  const temporary = path.replace(PREFIX, 'claim.')
  await fs.promises.writeFile(temporary, `${pid} ${startTime || '-'} ${world || '-'}\n`)
  await fs.promises.rename(temporary, path)
}

/** The owner of another claim that lives, if there is one. Claims of the dead are removed: nobody comes back to a name. */
async function livingOwner(directory: string, mine: string): Promise<Owner | undefined> {
  for (const name of await fs.promises.readdir(directory)) {
    if (!name.startsWith(PREFIX) || name === mine) continue
    const path = join(directory, name)
    const owner = parseOwner(await fs.promises.readFile(path, 'utf8').catch(() => ''))
    if (owner !== undefined && (await isLiving(owner, path))) return owner
    await fs.promises.rm(path, { force: true })
  }
  return undefined
}

async function isLiving(owner: Owner, path: string): Promise<boolean> {
  const { world } = ownerNow()
  if (world !== '' && world === owner.world) return owner.startTime !== '' && startTimeOf(owner.pid) === owner.startTime
  // Where the kernel tells nothing, a pid that is not there is still proof.
  if (world === owner.world && !isRunning(owner.pid)) return false
  const touchedMs = await touchedAtMs(path)
  if (touchedMs === undefined) return false
  for (let waitedMs = 0; waitedMs < WATCH_MS; waitedMs += WATCH_INTERVAL_MS) {
    await sleep(WATCH_INTERVAL_MS)
    const nowMs = await touchedAtMs(path)
    if (nowMs === undefined) return false
    if (nowMs !== touchedMs) return true
  }
  return false
}

async function touchedAtMs(path: string): Promise<number | undefined> {
  try {
    return (await fs.promises.stat(path)).mtimeMs
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function parseOwner(text: string): Owner | undefined {
  const match = /^(\d+) (\S+) (\S+)\n$/.exec(text)
  if (match === null) return undefined
  const known = (word: string) => (word === '-' ? '' : word)
  return { pid: Number(match[1]), startTime: known(match[2]!), world: known(match[3]!) }
}

function ownerNow(): Owner {
  return { pid: process.pid, startTime: startTimeOf(process.pid), world: worldOf() }
}

function worldOf(): string {
  try {
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot}/${fs.readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return ''
  }
}

/** Start time of a process that runs; empty if there is none, it is dead and only not yet reaped, or the kernel does not say. */
function startTimeOf(pid: number): string {
  try {
    // The name in parentheses may hold anything, also a parenthesis. Behind it: state, 18 numbers, start time.
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? '' : fields[19]!
  } catch {
    return ''
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
