import { type Epoch, encodeFrame, type Offset, PacketType } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { SyncAudit } from './support/sync-audit.js'

const LOG = '/d/log/00000000000000000000.log'
const NEXT = '/d/log/00000000000000000007.log'

/** Bytes as strace writes them. */
function quoted(bytes: Uint8Array): string {
  return `"${[...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}"`
}

/** The beginning of a batch. */
function batch(baseOffset: number): Uint8Array {
  const bytes = new Uint8Array(72)
  bytes.set(Buffer.from('GMQB'))
  bytes[16] = baseOffset
  return bytes
}

function puback(baseOffset: number, requestId = 5): Uint8Array {
  const fields = { baseOffset: baseOffset as Offset, epoch: 1 as Epoch, durability: 'synced' } as const
  return encodeFrame({ type: PacketType.PUBACK, requestId, ...fields })
}

const open = (path: string, flags = 'O_RDWR|O_CREAT|O_TRUNC') =>
  `7  openat(AT_FDCWD</>, "${path}", ${flags}, 0666) = 18<${path}>`
const write = (path: string, base: number) => `7  pwrite64(18<${path}>, ${quoted(batch(base))}, 72, 0) = 72`
const sync = (path: string) => `8  fdatasync(18<${path}>) = 0`
const syncDirectory = '8  fsync(19</d/log>) = 0'
const send = (base: number) => `6  write(21<socket:[99]>, ${quoted(puback(base))}, 10) = ${puback(base).byteLength}`

function audited(...lines: string[]): SyncAudit {
  const audit = new SyncAudit()
  for (const line of lines) audit.line(line)
  return audit
}

test('an ack behind the sync of its batch and the directory of its segment is in order', () => {
  const audit = audited(open(LOG), syncDirectory, write(LOG, 3), sync(LOG), send(3))
  expect(audit).toMatchObject({ violations: [], acks: 1, syncs: 1, segmentsMade: 1 })
})

test('syncs of the first thread, on which the loop runs, are counted', () => {
  const audit = audited(
    `8  openat(AT_FDCWD</>, "/lib", O_RDONLY) = 3</lib>`,
    open(LOG),
    sync(LOG),
    sync(LOG).replace('8', '7'),
  )
  expect(audit).toMatchObject({ syncs: 2, syncsOnLoop: 1, failedOnLoop: 0 })
  audit.line(`8  fdatasync(18<${LOG}>) = -1 EIO (Input/output error) (INJECTED)`)
  expect(audit).toMatchObject({ failedSyncs: 1, failedOnLoop: 1 })
})

test('an ack before the sync of its batch is a violation', () => {
  expect(audited(open(LOG), syncDirectory, write(LOG, 3), send(3), sync(LOG)).violations).toEqual([
    'line 4: the ack of offset 3 left before a sync that covers its batch had ended',
  ])
})

test('so is one after a sync that began before the write had ended, and one that leaves while the sync runs', () => {
  const begun = `7  pwrite64(18<${LOG}>, ${quoted(batch(3))}, 72, 0 <unfinished ...>`
  const late = audited(open(LOG), syncDirectory, begun, sync(LOG), '7  <... pwrite64 resumed>) = 72', send(3))
  expect(late.violations).toHaveLength(1)
  const early = audited(
    open(LOG),
    syncDirectory,
    write(LOG, 3),
    `8  fdatasync(18<${LOG}> <unfinished ...>`,
    send(3).replace(/\) = \d+$/, ' <unfinished ...>'),
    '8  <... fdatasync resumed>) = 0',
    '6  <... write resumed>) = 10',
  )
  expect(early.violations).toHaveLength(1)
})

test('so is one after a sync that failed, and it is counted', () => {
  const failed = `8  fdatasync(18<${LOG}>) = -1 EIO (Input/output error) (INJECTED)`
  const audit = audited(open(LOG), syncDirectory, write(LOG, 3), failed, send(3))
  expect(audit).toMatchObject({
    failedSyncs: 1,
    acksAfterFailure: 1,
    violations: [expect.stringContaining('offset 3')],
  })
})

test('so is one of a new segment whose directory was not synced, or before it was made', () => {
  const without = audited(open(LOG), syncDirectory, open(NEXT), write(NEXT, 7), sync(NEXT), send(7))
  expect(without.violations).toEqual([expect.stringContaining('before the directory of its new segment was synced')])
  const before = audited(open(LOG), syncDirectory, syncDirectory, open(NEXT), write(NEXT, 7), sync(NEXT), send(7))
  expect(before.violations).toHaveLength(1)
})

test('so is one of a batch that nobody wrote', () => {
  expect(audited(open(LOG, 'O_RDWR'), send(9)).violations).toEqual([expect.stringContaining('was never written')])
})

test('a segment that was there needs no sync of its directory; several batches in one write, and a short one, are each followed', () => {
  const several = `7  pwritev(18<${LOG}>, [{iov_base=${quoted(batch(3))}, iov_len=72}, {iov_base=${quoted(batch(4))}, iov_len=72}], 2, 0) = 100`
  const rest = `7  pwrite64(18<${LOG}>, ${quoted(new Uint8Array(44))}, 44, 100) = 44`
  const split = [
    `6  write(21<socket:[99]>, ${quoted(puback(3))}, 10) = 4`,
    `6  write(21<socket:[99]>, ${quoted(puback(3).subarray(4))}, 6) = ${puback(3).byteLength - 4}`,
  ]
  expect(audited(open(LOG, 'O_RDWR'), several, sync(LOG), ...split, send(4)).violations).toEqual([
    expect.stringContaining('offset 4'),
  ])
  const whole = audited(open(LOG, 'O_RDWR'), several, rest, sync(LOG), ...split, send(4))
  expect(whole).toMatchObject({ violations: [], acks: 2 })
})
