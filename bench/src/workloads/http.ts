import { fileURLToPath } from 'node:url'
import type { Figure } from '../figure.js'
import { missingProgram } from '../servers/debian-package.js'
import { ServerProcess } from '../servers/server-process.js'
import { brokerArgs, nodeArgs } from '../systems/gomq.js'
import { apacheBench } from './apache-bench.js'
import { profileOf } from './measure.js'
import type { Workload, WorkloadContext } from './workload.js'

/** Bounds of the warm-up and of the measurement. */
const WARM_UP_SEC = 1
const MEASURED_SEC_MAX = 2

interface Level {
  readonly name: string
  /** Fields of the body that say so. */
  readonly fields: object
  readonly durability: string
  /** Messages in one request. */
  readonly perRequest?: number
}

/** Levels of promise of `POST /pub`, the same message each, and `POST /v1/publish/batch` with many of them. */
const LEVELS: readonly Level[] = [
  { name: 'qos 0', fields: { qos: 0 }, durability: 'none' },
  { name: 'retain', fields: { qos: 0, retain: true }, durability: 'stored later' },
  { name: 'qos 1 + retain', fields: { qos: 1, retain: true }, durability: 'fdatasync before answer' },
  { name: 'qos 1, 100 a request', fields: { qos: 1 }, durability: 'fdatasync before answer', perRequest: 100 },
]

/** Publishing over HTTP, ten requests at a time, with a connection for each request and with connections that are kept. */
export const http: Workload = {
  name: 'http',
  about:
    '`POST /pub` by `ab`, ten at a time, at three levels of promise, and `POST /v1/publish/batch`; messages a second',
  by: 'rate',
  sizes: 'first',
  cannot: ({ name }) =>
    name === 'gomq' || name === 'floor' ? undefined : 'only GoMQ alone and a bare HTTP server are measured',
  run: async (system, context) => {
    const figures: Figure[] = []
    for (const suffix of ['', ' -k'] as const)
      for (const level of LEVELS) figures.push(await post(system.name, suffix, level, context))
    return figures
  },
}

/** The floor answers each level alike; it is measured beside each, so that the ratios are of one moment. */
async function post(
  system: string,
  suffix: '' | ' -k',
  level: Level,
  { workDirectory, messages, messageBytes, seconds, mayInstall, isProfiled }: WorkloadContext,
): Promise<Figure> {
  const reason = missingProgram('ab', 'apache2-utils', mayInstall)
  if (reason !== undefined) throw new Error(reason)
  const server = await (system === 'floor' ? startBare : startBroker)(workDirectory, isProfiled)
  try {
    const { perRequest = 1 } = level
    const message = { body: 'x'.repeat(messageBytes) }
    const content = perRequest === 1 ? message : { messages: Array(perRequest).fill(message) }
    const body = JSON.stringify({ topic: 'bench/http', ...content, ...level.fields })
    const url = `http://${server.address}${perRequest === 1 ? '/pub' : '/v1/publish/batch'}`
    const isKept = suffix === ' -k'
    const warmUp = { requests: messages, seconds: WARM_UP_SEC }
    const measured = { requests: messages, seconds: Math.ceil(Math.min(MEASURED_SEC_MAX, seconds)) }
    await apacheBench(url, body, warmUp, isKept, workDirectory)
    server.profiler?.start()
    const before = server.usage()
    const { latency, requests, ...rest } = await apacheBench(url, body, measured, isKept, workDirectory)
    const after = server.usage()
    const profile = profileOf(await server.profiler?.stop(), [], { before, after })
    const ratePerSec = Math.round(rest.ratePerSec * perRequest)
    return {
      workload: `http${suffix} ${level.name}`,
      system,
      durability: system === 'floor' ? 'none' : level.durability,
      messages: requests * perRequest,
      messageBytes,
      ratePerSec,
      ratesPerSec: [ratePerSec],
      latency: { count: requests, ...latency, curve: [] },
      clientCpuUs: 0,
      serverCpuUs: Math.round((1e6 * (after.cpuSec - before.cpuSec)) / (requests * perRequest)),
      serverRssMiB: Math.round(after.rssBytesMax / 2 ** 20),
      serverRssGrowthMiB: Math.round((after.rssBytes - before.rssBytes) / 2 ** 20),
      lost: 0,
      duplicated: 0,
      ...(profile && { profile }),
    }
  } finally {
    await server.stop()
  }
}

function startBroker(workDirectory: string, isProfiled: boolean): Promise<ServerProcess> {
  return ServerProcess.start(workDirectory, (directory) => ({
    command: process.execPath,
    isProfiled,
    args: [...brokerArgs(isProfiled), '--data-dir', directory, '--tcp', '127.0.0.1:0', '--http', '127.0.0.1:0'],
    env: { GOMQ_LOG_LEVEL: 'warn' },
    ready: / ready .*http=(\S+)/,
  }))
}

function startBare(workDirectory: string, isProfiled: boolean): Promise<ServerProcess> {
  return ServerProcess.start(workDirectory, () => ({
    command: process.execPath,
    isProfiled,
    args: [...nodeArgs(isProfiled), fileURLToPath(new URL('../servers/bare-http.js', import.meta.url))],
    ready: / ready .*http=(\S+)/,
  }))
}
