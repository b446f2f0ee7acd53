import type { ClusterView } from '../cluster-view.js'
import type { Coordinator, WriteOutcome } from '../coordinator.js'
import type { ReplicaMessage } from '../messages.js'
import type { Link, LinkHandler, Transport } from '../transport.js'

/** What a message becomes. */
export type MessageChange = (message: ReplicaMessage) => ReplicaMessage

/** A transport that changes what arrives, and what leaves: for bugs that are planted. */
export function changedTransport(
  transport: Transport,
  received: MessageChange,
  sent: MessageChange = sameMessage,
): Transport {
  const handlerOf =
    (accept: (link: Link) => LinkHandler) =>
    (link: Link): LinkHandler => {
      const changed: Link = {
        remote: link.remote,
        get pendingBytes() {
          return link.pendingBytes
        },
        send: (message) => link.send(sent(message)),
        close: () => link.close(),
      }
      const handler = accept(changed)
      return {
        handleMessage: (message) => handler.handleMessage(received(message)),
        handleDrained: () => handler.handleDrained(),
        handleClosed: () => handler.handleClosed(),
      }
    }
  return {
    listen: (accept) => transport.listen(handlerOf(accept)),
    open: (address, accept, onFailed) => transport.open(address, handlerOf(accept), onFailed),
    close: () => transport.close(),
  }
}

/** A coordinator whose views are changed, wherever they come from: for bugs that are planted. */
export function changedViews(coordinator: Coordinator, change: (view: ClusterView) => ClusterView): Coordinator {
  const outcome = async (write: Promise<WriteOutcome>): Promise<WriteOutcome> => {
    const result = await write
    return result.kind === 'unknown' ? result : { ...result, view: change(result.view) }
  }
  return changedCoordinator(coordinator, {
    read: async () => change(await coordinator.read()),
    form: (cluster, members) => outcome(coordinator.form(cluster, members)),
    campaign: (request) => outcome(coordinator.campaign(request)),
    changeInSync: (request) => outcome(coordinator.changeInSync(request)),
    appoint: (request) => outcome(coordinator.appoint(request)),
    removeLeader: (revision) => outcome(coordinator.removeLeader(revision)),
  })
}

/** A coordinator some of whose calls are others. */
export function changedCoordinator(coordinator: Coordinator, changes: Partial<Coordinator>): Coordinator {
  return {
    read: () => coordinator.read(),
    register: (broker, ttlMs) => coordinator.register(broker, ttlMs),
    keepAlive: (lease) => coordinator.keepAlive(lease),
    revoke: (lease) => coordinator.revoke(lease),
    form: (cluster, members) => coordinator.form(cluster, members),
    campaign: (request) => coordinator.campaign(request),
    changeInSync: (request) => coordinator.changeInSync(request),
    appoint: (request) => coordinator.appoint(request),
    removeLeader: (revision) => coordinator.removeLeader(revision),
    watch: (onChange) => coordinator.watch(onChange),
    close: () => coordinator.close(),
    ...changes,
  }
}

/** Leaves a message as it is. */
export function sameMessage(message: ReplicaMessage): ReplicaMessage {
  return message
}
