import type { ReplicaLog, SnapshotStore } from '@gomq/cluster'
import type { Offset } from '@gomq/protocol'
import { crc32, systemRandom } from '@gomq/protocol/node'
import { type FileSystem, replicaLog, replicaRecordStore, snapshotStore } from '@gomq/storage'
import type { BrokerLog } from '../broker-log.js'
import type { ClusterMembership } from '../broker-options.js'
import type { Configuration } from './configuration/configuration.js'
import { formatEndpoint } from './configuration/values.js'
import { NodeScheduler } from './node-scheduler.js'
import { GOMQ_VERSION } from './version.js'

/**
 * Makes the broker a member of the cluster that the configuration names: etcd, links to the other brokers and replication of the log. Nothing of this is
 * loaded by a broker alone.
 */
export async function clusterMembership(
  configuration: Configuration,
  fs: FileSystem,
  log: BrokerLog,
): Promise<ClusterMembership> {
  const {
    etcd,
    cluster,
    replication,
    clusterSecret,
    dataDir: directory,
    nodeId: id,
    leaseMs,
    recoverAt,
  } = configuration
  const { EtcdCoordinator, TcpTransport } = await import('@gomq/cluster/node')
  const { ClusterReplication } = await import('@gomq/cluster')
  const place = { fs, directory, crc32 }
  const records = replicaRecordStore(place)
  const scheduler = new NodeScheduler()
  return {
    isFilling: (await records.load())?.isFilling ?? false,
    replicate: ({ log: ours, handler, appliedOffset, quietly }) => {
      const replicated = replicaLog(ours)
      const emptied: ReplicaLog = Object.create(replicated, {
        reset: { value: (offset: Offset) => quietly(() => replicated.reset(offset)) },
      })
      const snapshots = snapshotStore(place)
      return new ClusterReplication({
        id,
        addresses: addressesOf(configuration),
        version: GOMQ_VERSION,
        startedAtMs: Math.round(performance.timeOrigin),
        replicas: configuration.replicas,
        leaseMs,
        lagMs: configuration.replicaLagMs,
        coordinator: new EtcdCoordinator({ endpoints: etcd, cluster }),
        transport: new TcpTransport({
          listen: replication,
          cluster,
          secret: clusterSecret,
          onRefused: (remote, reason) =>
            log.warn({ remote, reason }, 'a link with another broker was refused or broke'),
        }),
        log: emptied,
        snapshots: {
          open: () => snapshots.open(),
          install: (...snapshot: Parameters<SnapshotStore['install']>) => quietly(() => snapshots.install(...snapshot)),
        },
        records,
        clock: {
          monotonicMs: () => performance.now(),
          schedule: (delayMs: number, run: () => void) => scheduler.schedule(delayMs, run),
        },
        random: systemRandom,
        handler,
        appliedOffset,
        recovery:
          recoverAt === undefined
            ? undefined
            : {
                word: recoverAt,
                onDone: (wasNeeded) =>
                  wasNeeded
                    ? log.warn(
                        { ...recoverAt },
                        'the cluster was recovered from this copy by --recover-at; what only others have is lost, and they start with empty data directories',
                      )
                    : log.warn({}, '--recover-at was not needed: leave it out'),
              },
      })
    },
  }
}

/** Where others find this broker. */
function addressesOf(configuration: Configuration): { tcp: string; http: string; replication: string } {
  const { tcp, http, replication, advertiseTcp, advertiseHttp, advertiseReplication } = configuration
  const advertisedHttp = advertiseHttp ?? http
  return {
    tcp: formatEndpoint(advertiseTcp ?? tcp),
    http: advertisedHttp === undefined ? '' : formatEndpoint(advertisedHttp),
    replication: formatEndpoint(advertiseReplication ?? replication),
  }
}
