import { type DestinationStream, destination, type Logger, pino } from 'pino'
import type { LogLevel } from './configuration/configuration.js'

/** JSON lines on stderr, one an event, written at once so that the last ones before an exit are not lost. */
export function createLogger(level: LogLevel, nodeId: string, stream?: DestinationStream): Logger {
  return pino(
    { level, base: { pid: process.pid, node: nodeId }, timestamp: pino.stdTimeFunctions.isoTime },
    stream ?? destination({ fd: 2, sync: true }),
  )
}
