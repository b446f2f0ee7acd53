import { Engine, type EngineOptions, type Outbox } from '@gomq/engine'
import { type Crc32, type ErrorCode, type Epoch, GomqError, nextOffsetOf, type Offset, type Packet } from '@gomq/protocol'
import { type FileSystem, type Log, type LogLimits, openLog, type ReadRequest, type ReadResult } from '@gomq/storage'
import type { BrokerLog } from './broker-log.js'
import { ConnectionSweep } from './connection-sweep.js'
import { Door } from './door.js'
import type { Peer } from './peer.js'
import { printable } from './printable.js'
import { recoverState } from './recovery.js'
import type { Scheduler, Timer } from './scheduler.js'
import { SnapshotWriter } from './snapshot-writer.js'
import { UnsyncedBytes } from './unsynced-bytes.js'
import type { Wire, WireHandler } from './wire.js'
import { type ConnectionHost, PauseReason, WireConnection } from './wire-connection.js'

/** How often deadlines of connections are looked at. */
const SWEEP_INTERVAL_MS = 1_000
