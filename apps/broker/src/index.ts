// The broker itself, without sockets, files and clock: for simulators, and for programs that bring their own.
export { Broker } from './broker.js'
export { type BrokerLog, silentLog } from './broker-log.js'
export type { BrokerOptions, ClusterMembership, ReplicationParts } from './broker-options.js'
export type { BrokerState } from './broker-state.js'
export type { Scheduler, Timer } from './scheduler.js'
export type { Wire, WireHandler } from './wire.js'
