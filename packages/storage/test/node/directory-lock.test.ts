import { type ChildProcess, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GomqError } from '@gomq/protocol'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { lockDirectory } from '../../src/node/directory-lock.js'

let directory: string
const children: ChildProcess[] = []
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'gomq-lock-')), 'data')
  mkdirSync(directory)
})
afterEach(() => {
  vi.restoreAllMocks()
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(join(directory, '..'), { recursive: true })
})

const claims = () => readdirSync(directory).filter((name) => name.startsWith('LOCK.'))
const claim = (name: string, text: string) => writeFileSync(join(directory, `LOCK.${name}`), text)
/** What this process writes into a claim: pid, start time, world. */
async function ownClaim(): Promise<[string, string, string]> {
  const lock = await lockDirectory(directory)
  const parts = readFileSync(join(directory, claims()[0]!), 'utf8').trim().split(' ')
  await lock.release()
  return parts as [string, string, string]
}
const otherWorld = '00000000-0000-0000-0000-000000000000/pid:[1]'

describe('the lock of a data directory', () => {
  test('names its owner, is refused to others while it is held, and leaves nothing behind', async () => {
    const lock = await lockDirectory(directory)
    expect(readFileSync(join(directory, claims()[0]!), 'utf8')).toMatch(new RegExp(`^${process.pid} \\S+ \\S+\\n$`))
    await expect(lockDirectory(directory)).rejects.toMatchObject({
      code: 'DATA_DIR_LOCKED',
      message: expect.stringContaining(`is used by process ${process.pid}; stop it or choose another --data-dir`),
    })
    await lock.release()
    expect(readdirSync(directory)).toEqual([])
  })

  test('a claim of a process that is gone, or whose pid another has now, is removed at once', async () => {
    const [, start, world] = await ownClaim()
    const child = spawn(process.execPath, ['-e', ''])
    await new Promise((resolve) => child.on('exit', resolve))
    claim('a', `${child.pid} ${start} ${world}\n`)
    claim('b', `${process.pid} 1 ${world}\n`)
    claim('c', 'not a claim')
    claim('d', '')
    const lock = await lockDirectory(directory)
    expect(claims()).toHaveLength(1)
    await lock.release()
  })

  test('a process that stands still keeps it', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    children.push(child)
    const [, , world] = await ownClaim()
    // Elsewhere nobody can tell a process that stands still from one that is gone.
    if (!existsSync('/proc/self/stat')) return
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
    child.kill('SIGSTOP')
    claim('a', `${child.pid} ${stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[19]} ${world}\n`)
    await expect(lockDirectory(directory)).rejects.toMatchObject({ code: 'DATA_DIR_LOCKED' })
    expect(claims()).toEqual(['LOCK.a'])
  })

  test('of brokers that are all pid 1 in containers of their own, the one that touches its claim keeps it', async () => {
    claim('a', `1 100 ${otherWorld}\n`)
    const beat = setInterval(() => utimesSync(join(directory, 'LOCK.a'), new Date(), new Date()), 300)
    try {
      await expect(lockDirectory(directory)).rejects.toMatchObject({ code: 'DATA_DIR_LOCKED' })
    } finally {
      clearInterval(beat)
    }
    expect(claims()).toEqual(['LOCK.a'])
  })

  test('of another container, whose claim nobody touches any more, is taken over', async () => {
    claim('a', `1 100 ${otherWorld}\n`)
    const lock = await lockDirectory(directory)
    expect(claims()).toHaveLength(1)
    expect(claims()).not.toContain('LOCK.a')
    await lock.release()
  })

  test('an owner touches its claim, and learns when it was taken away', async () => {
    const lost = new Promise<GomqError>((resolve) => {
      void lockDirectory(directory, resolve)
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    for (const name of claims()) rmSync(join(directory, name))
    expect(await lost).toMatchObject({ code: 'DATA_DIR_LOCKED', message: expect.stringContaining('was taken away') })
  })

  test('is sure as long as the claim was touched lately; after that it is looked for', async () => {
    let lost: GomqError | undefined
    const lock = await lockDirectory(directory, (error) => (lost = error))
    expect(lock.confirm()).toBeUndefined()
    const stoodStill = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 3_000)
    const [name] = claims()
    utimesSync(join(directory, name!), 1, 1)
    await lock.confirm()
    expect(statSync(join(directory, name!)).mtimeMs, 'touched').toBeGreaterThan(1000)
    expect([lock.confirm(), lost]).toEqual([undefined, undefined])
    stoodStill.mockReturnValue(performance.now() + 3_000)
    rmSync(join(directory, name!))
    await lock.confirm()
    expect(lost).toMatchObject({ code: 'DATA_DIR_LOCKED' })
  })

  test('is held by at most one of many that start over a dead one at once', async () => {
    const [, start, world] = await ownClaim()
    for (let round = 0; round < 10; round++) {
      claim(`dead${round}`, `4194303 ${start} ${world}\n`)
      const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => lockDirectory(directory)))
      const locks = outcomes.filter((outcome) => outcome.status === 'fulfilled')
      expect(locks.length).toBeLessThanOrEqual(1)
      expect(claims()).toHaveLength(locks.length)
      for (const lock of locks) await lock.value.release()
    }
  })
})
