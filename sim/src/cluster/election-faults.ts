import type { World } from '../world.js'
import type { ClusterMachine } from './cluster-machine.js'
import { cut, cutCoordinator } from './outages.js'
import type { Vulnerable } from './vulnerable.js'

/** How long the others cannot ask for leadership: one that may have it needs a few hundred ms. */
const ALONE_MS = 2_000

/** Longer than a member may lag before the in-sync set goes on without it. */
const LEFT_BEHIND_MS_MAX = 8_000
/** How often is looked whether it has, and what the others then have to commit something. */
const LOOK_MS = 250

/** Faults in several moves that chance alone would hardly make: who leads is arranged, so that a rule that guards an election has something to refuse. */
export const ELECTION_FAULTS: readonly {
  readonly name: string
  readonly weight: number
  /** @returns whether it could begin */
  readonly strike: (world: World, cluster: Vulnerable) => boolean
}[] = [
  { name: 'leader deposed unawares', weight: 5, strike: deposeUnawares },
  { name: 'left behind and alone', weight: 7, strike: leaveBehind },
]

/**
 * The leader loses its key early and hears of it from nobody: it reaches neither the coordinator nor the one that is elected, only the
 * third, whom it goes on to tell what it takes for right (R3).
 */
function deposeUnawares(world: World, cluster: Vulnerable): boolean {
  const { leader } = cluster
  const heirs = cluster.machines.filter((machine) => machine !== leader && isInSync(cluster, machine))
  if (leader === undefined || heirs.length === 0) return false
  const heir = world.random.pick(heirs)
  const durationMs = ALONE_MS + world.random.below(6_000)
  cutCoordinator(world, leader, durationMs)
  cut(world, cluster.network, leader.id, heir.id, durationMs)
  cut(world, cluster.network, heir.id, leader.id, durationMs)
  return offerLeadership(world, cluster, heir)
}

/**
 * A member reaches no other broker until the in-sync set has gone on without it, and then is the only one that could ask for leadership, which it must
 * not have (R5, R10, R19).
 */
function leaveBehind(world: World, cluster: Vulnerable): boolean {
  const { leader } = cluster
  const members = cluster.machines.filter((machine) => machine !== leader && isInSync(cluster, machine))
  if (leader === undefined || members.length < cluster.machines.length / 2) return false
  const member = world.random.pick(members)
  for (const other of cluster.machines) {
    if (other === member) continue
    cut(world, cluster.network, member.id, other.id, LEFT_BEHIND_MS_MAX)
    cut(world, cluster.network, other.id, member.id, LEFT_BEHIND_MS_MAX)
  }
  const untilMs = world.clock.nowMs() + LEFT_BEHIND_MS_MAX
  const look = (wasOut: boolean) => {
    if (!world.isFaulty || world.clock.nowMs() > untilMs) return
    const isOut = !isInSync(cluster, member)
    if (wasOut && isOut && offerLeadership(world, cluster, member))
      world.faults.add('leadership offered to one left behind')
    else world.clock.schedule(LOOK_MS, () => look(isOut))
  }
  look(false)
  return true
}

/** Nobody leads, and for a while only `machine` can ask for it. */
function offerLeadership(
  world: World,
  { machines, coordinator: { store } }: Vulnerable,
  machine: ClusterMachine,
): boolean {
  const { leader } = store.view()
  if (leader === undefined || machine.broker === undefined) return false
  for (const other of machines) if (other !== machine) cutCoordinator(world, other, ALONE_MS)
  world.trace.add('fault', `${machine.id} alone may ask for leadership`)
  return store.removeLeader(leader.createRevision)
}

function isInSync({ coordinator: { store } }: Vulnerable, { id, storeId, broker }: ClusterMachine): boolean {
  return (
    broker !== undefined &&
    store.view().inSync?.members.some((each) => each.id === id && each.storeId === storeId) === true
  )
}
