// For the simulator and for tests: the broker itself, without sockets, files and clock.
export { Broker, type BrokerOptions, type BrokerState } from '../broker.js'
export { type BrokerLog, silentLog } from '../broker-log.js'
export type { Scheduler, Timer } from '../scheduler.js'
export type { Wire, WireHandler } from '../wire.js'
