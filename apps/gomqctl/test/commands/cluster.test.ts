import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type ClusterAnswer, cluster, clusterText } from '../../src/commands/cluster.js'
import { Exit } from '../../src/exit.js'

const ADDRESSES = { tcp: '127.0.0.1:9000', http: '127.0.0.1:8000', replication: '127.0.0.1:7000' }
const CLUSTER: ClusterAnswer = {
  epoch: 3,
  highWatermark: 12,
  leaderId: 'b1',
  trouble: null,
  brokers: [
    {
      ...{ id: 'b1', role: 'leader', addresses: ADDRESSES, isInSync: true, logEndOffset: 13, lag: 0 },
      startedAtMs: 1_000,
    },
    { id: 'b2', role: 'gone', addresses: null, isInSync: false, logEndOffset: null, lag: null, startedAtMs: null },
  ],
}

let stdout = ''
let stderr = ''

beforeEach(() => {
  stdout = ''
  stderr = ''
  vi.spyOn(process.stdout, 'write').mockImplementation(((bytes: Uint8Array, done?: () => void) => {
    stdout += Buffer.from(bytes).toString()
    done?.()
    return true
  }) as typeof process.stdout.write)
  vi.spyOn(process.stderr, 'write').mockImplementation(((text: string) => {
    stderr += text
    return true
  }) as typeof process.stderr.write)
})

afterEach(() => {
  vi.restoreAllMocks()
})

/** Runs the command against an HTTP server that answers everything with `body`. */
async function against(body: unknown, json: boolean): Promise<unknown> {
  const server = createServer((_request, response) => response.end(JSON.stringify(body)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const http = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    const globals = { connect: [], http, topic: [], qos: 0, retain: false, json, quiet: false } as const
    return await cluster(globals).catch((error: unknown) => error)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('the brokers are shown with how far each is; what is not known is left empty', () => {
  const lines = clusterText(CLUSTER, true, false, 3_661_000).split('\n')
  expect(lines[0]).toBe(
    'ID  ROLE    EPOCH  LOG END  HIGH WATERMARK  LAG  IN SYNC  TCP             HTTP            REPLICATION     UPTIME',
  )
  expect(lines[1]).toMatch(/^b1 {2}leader {2}3 .* yes .* 127\.0\.0\.1:7000 {2}1h 1m$/)
  expect(lines[2]).toMatch(/^b2 {2}gone +3 +12 +no$/)
  expect(clusterText(CLUSTER, false, false, 0).split('\n')).toEqual([
    'b1\tleader\t3\t13\t12\t0\tyes\t127.0.0.1:9000\t127.0.0.1:8000\t127.0.0.1:7000\t0s',
    'b2\tgone\t3\t\t12\t\tno\t\t\t\t',
  ])
})

test('a cluster that somebody leads is no failure, also with trouble', async () => {
  expect(await against(CLUSTER, true)).toBeUndefined()
  expect(JSON.parse(stdout)).toEqual(CLUSTER)
  expect(stderr).toBe('')
  expect(await against({ ...CLUSTER, trouble: 'nothing commits' }, true)).toBeUndefined()
  expect(stderr).toBe('gomqctl: nothing commits\n')
})

test('a cluster that nobody leads is shown, and the command ends with 75', async () => {
  const outcome = await against({ ...CLUSTER, leaderId: null }, false)
  expect(outcome).toBeInstanceOf(Exit)
  expect((outcome as Exit).exitCode).toBe(75)
  expect(stdout).toContain('b1\t')
  expect(stderr).toBe('gomqctl: nobody leads\n')
})

test('what shows no cluster is no broker', async () => {
  expect(await against({ brokers: 1 }, false)).toMatchObject({ code: 'PROTOCOL_ERROR' })
})
