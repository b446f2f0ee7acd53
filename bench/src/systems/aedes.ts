import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ServerProcess } from '../servers/server-process.js'
import { nodeArgs } from './gomq.js'
import { mqttClient } from './mqtt.js'
import type { System } from './system.js'

/** Aedes, an MQTT broker for Node. */
export const aedes: System = {
  name: 'aedes',
  role: 'peer',
  durability: 'none: in memory',
  setup: 'its persistence in memory, a process of its own; mqtt.js, MQTT 3.1.1, 1,000 unacknowledged',
  missing: () => undefined,
  version: () => {
    const manifest = new URL('package.json', import.meta.resolve('aedes'))
    return `Aedes ${JSON.parse(readFileSync(manifest, 'utf8')).version}`
  },
  start: (workDirectory) =>
    ServerProcess.start(workDirectory, () => ({
      command: process.execPath,
      args: [...nodeArgs(), fileURLToPath(new URL('../servers/aedes-server.js', import.meta.url))],
      ready: / ready tcp=(\S+)/,
    })),
  ...mqttClient,
}
