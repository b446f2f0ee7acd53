import { setTimeout as sleep } from 'node:timers/promises'
import type { Workload } from './workload.js'

/** After its start, so that what a start needs alone is given back. */
const IDLE_SEC = 4

/** What a broker takes that nobody uses. */
export const idle: Workload = {
  name: 'idle',
  about: `resident memory of all server processes ${IDLE_SEC} s after their start, nobody connected; CPU of these seconds`,
  by: 'memory',
  sizes: 'first',
  runsMax: 1,
  run: async (system, { workDirectory }) => {
    const server = await system.start(workDirectory)
    try {
      const before = server.usage()
      await sleep(IDLE_SEC * 1000)
      const after = server.usage()
      const { name, durability } = system
      return [
        {
          ...{
            workload: 'idle',
            system: name,
            durability,
            messages: 0,
            messageBytes: 0,
            ratePerSec: 0,
            ratesPerSec: [],
          },
          idle: {
            rssMiB: Math.round(after.rssBytes / 2 ** 20),
            cpuPercent: Math.round((1000 * (after.cpuSec - before.cpuSec)) / IDLE_SEC) / 10,
          },
          ...{ clientCpuUs: 0, serverCpuUs: 0, serverRssMiB: Math.round(after.rssBytesMax / 2 ** 20) },
          ...{ serverRssGrowthMiB: 0, lost: 0, duplicated: 0 },
        },
      ]
    } finally {
      await server.stop()
    }
  },
}
