import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { missingProgram } from '../servers/debian-package.js'
import { ServerProcess } from '../servers/server-process.js'
import { mqttClient } from './mqtt.js'
import type { System } from './system.js'

/** Debian has it where not every user's path leads. */
const COMMAND = '/usr/sbin/mosquitto'

/** Eclipse Mosquitto. */
export const mosquitto: System = {
  name: 'mosquitto',
  role: 'peer',
  durability: 'none: saved every 30 min, no fsync',
  setup: 'persistence on, no bound on queued and inflight messages; mqtt.js, MQTT 3.1.1, 1,000 unacknowledged',
  missing: (mayInstall) => missingProgram(COMMAND, 'mosquitto', mayInstall),
  version: () => execFileSync('sh', ['-c', `${COMMAND} -h | head -1`], { encoding: 'utf8' }).trim(),
  start: (workDirectory) =>
    ServerProcess.startOnPort(workDirectory, (directory, port) => {
      const file = join(directory, 'mosquitto.conf')
      const lines = [
        `listener ${port} 127.0.0.1`,
        'allow_anonymous true',
        'persistence true',
        `persistence_location ${directory}/`,
        'max_inflight_messages 0',
        'max_queued_messages 0',
        'max_queued_bytes 0',
        'set_tcp_nodelay true',
        // Otherwise it becomes another user, to whom the directory does not belong.
        ...(process.getuid?.() === 0 ? ['user root'] : []),
      ]
      writeFileSync(file, `${lines.join('\n')}\n`)
      return { command: COMMAND, args: ['-c', file] }
    }),
  ...mqttClient,
}
