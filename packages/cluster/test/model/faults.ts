import type { Offset } from '@gomq/protocol'
import { messageOf } from '../support/test-batch.js'
import type { Place, World } from './world.js'

/** How often a leader crashed while a member had more on its disk. */
export const BEHIND = 'crashed behind a member'

/** One fault, by chance. What it begins it also ends, after a while. */
export function applyFault(world: World): void {
  const { random } = world
  const name = random.pick(NAMES)
  if (FAULTS[name]!(world, random.pick(world.places)) !== false) world.counts[name] = (world.counts[name] ?? 0) + 1
}

const FAULTS: { readonly [name: string]: (world: World, place: Place) => boolean } = {
  crash(world, place) {
    if (place.node === undefined) return false
    const isHostDown = world.random.chance(0.5)
    world.crash(place, isHostDown)
    restartLater(world, place)
    return true
  },
  crashLeader(world) {
    const place = leaderOf(world)
    if (place === undefined) return false
    world.crash(place, world.random.chance(0.5))
    restartLater(world, place)
    return true
  },
  /** Between sending and syncing: a member has more on its disk than the leader, which loses what it had not synced. */
  crashLeaderBehind(world) {
    const place = leaderOf(world)
    const node = place?.node
    if (place === undefined || node === undefined) return false
    node.syncMsMax = 150
    const look = (tries: number) => {
      if (place.node !== node || tries === 0) return
      const { syncedOffset } = node.log
      if (!node.isServing || !world.places.some((other) => (other.node?.log.syncedOffset ?? 0) > syncedOffset)) {
        world.clock.schedule(2, () => look(tries - 1))
        return
      }
      world.counts[BEHIND] = (world.counts[BEHIND] ?? 0) + 1
      world.crash(place, world.random.chance(0.5))
      restartLater(world, place)
    }
    look(200)
    return true
  },
  crashAll(world) {
    if (!world.random.chance(0.3)) return false
    for (const place of world.places)
      if (place.node !== undefined) {
        world.crash(place, true)
        restartLater(world, place)
      }
    return true
  },
  pause(world, place) {
    if (place.node === undefined || place.clock!.isPaused) return false
    const clock = place.clock!
    clock.pause()
    world.clock.schedule(world.random.below(world.random.pick([1000, 4000, 12_000])), () => clock.resume())
    return true
  },
  pauseLeader(world) {
    const place = leaderOf(world)
    return place === undefined ? false : FAULTS['pause']!(world, place)
  },
  partition(world, place) {
    for (const other of world.places) if (other !== place && world.random.chance(0.7)) cut(world, place.id, other.id)
    return true
  },
  partitionOneWay(world, place) {
    const other = world.random.pick(world.places)
    if (other === place) return false
    world.network.cut(place.id, other.id)
    world.clock.schedule(duration(world), () => world.network.heal(place.id, other.id))
    return true
  },
  cutCoordinator(world, place) {
    const faults = place.client?.faults
    if (place.node === undefined || faults === undefined) return false
    faults.isUnreachable = true
    world.clock.schedule(duration(world), () => {
      faults.isUnreachable = false
    })
    return true
  },
  cutAllFromCoordinator(world) {
    if (!world.random.chance(0.3)) return false
    for (const place of world.places) FAULTS['cutCoordinator']!(world, place)
    return true
  },
  badCoordinator(world, place) {
    const faults = place.client?.faults
    if (place.node === undefined || faults === undefined) return false
    const { random } = world
    Object.assign(faults, {
      lostReplies: random.pick([0, 0.2, 0.6]),
      lostRequests: random.pick([0, 0.1]),
      lateRequests: random.pick([0, 0.3, 0.6]),
      delayMsMax: random.pick([5, 200, 900]),
    })
    world.clock.schedule(2 * duration(world), () =>
      Object.assign(faults, { lostReplies: 0, lostRequests: 0, lateRequests: 0, delayMsMax: 5 }),
    )
    return true
  },
  slowDisk(world, place) {
    const { node } = place
    if (node === undefined) return false
    node.syncMsMax = world.random.pick([100, 1000, 6000])
    world.clock.schedule(duration(world), () => {
      node.syncMsMax = 8
    })
    return true
  },
  slowNetwork(world) {
    world.network.delayMsMax = world.random.pick([50, 300])
    world.clock.schedule(duration(world), () => {
      world.network.delayMsMax = 3
    })
    return true
  },
  revokeLease(world) {
    // etcd lets a lease go early.
    const view = world.coordinator.store.view()
    if (view.leader === undefined) return false
    world.coordinator.store.removeLeader(view.leader.createRevision)
    return true
  },
  wipe(world, place) {
    if (!mayWipe(world, place)) return false
    world.crash(place, world.random.chance(0.5))
    world.wipe(place)
    restartLater(world, place)
    return true
  },
  wipeLeader(world) {
    const place = leaderOf(world)
    return place === undefined ? false : FAULTS['wipe']!(world, place)
  },
  resign(world) {
    const node = leaderOf(world)?.node
    if (node === undefined || node.isResigning) return false
    node.isResigning = true
    node.replication.resign(4000).then(() => {
      node.isResigning = false
    })
    return true
  },
  retention(world, place) {
    const { node } = place
    if (node === undefined || node.log.highWatermark === 0 || node.records.saved?.isFilling !== false) return false
    const { log } = node
    const boundaries = log.boundaries.filter((offset) => offset <= log.highWatermark && offset >= log.logStartOffset)
    if (boundaries.length < 4) return false
    node.snapshots.newest = { beginOffset: log.highWatermark, bytes: new Uint8Array(world.random.below(1_000_000)) }
    const from = boundaries[world.random.below(boundaries.length - 2)]!
    const to = boundaries[boundaries.length - 1 - world.random.below(2)] as Offset
    if (world.random.chance(0.5)) log.advanceStart(from)
    if (from < to && world.random.chance(0.7)) log.clean(from, to, (batch) => messageOf(batch) % 3 === 0)
    return true
  },
}

const NAMES = Object.keys(FAULTS)

/** Disks that are lost at once, at most f: a lost one counts until its broker is in sync again and the old store is forgotten. */
function mayWipe(world: World, place: Place): boolean {
  const members = world.coordinator.store.view().inSync?.members ?? []
  const isWhole = ({ id, stores, disk }: Place) =>
    stores === 1 || members.some((member) => member.id === id && member.storeId === disk.log.storeId)
  const lost = world.places.filter((other) => other !== place && !isWhole(other)).length
  const f = Math.floor((world.replicas - 1) / 2)
  return lost < f && isWhole(place) && place.disk !== undefined && members.length > 0
}

function leaderOf(world: World): Place | undefined {
  return world.places.find(({ node, clock }) => node?.isServing && !clock!.isPaused)
}

function restartLater(world: World, place: Place): void {
  world.clock.schedule(world.random.below(world.random.pick([200, 3000, 15_000])), () => {
    if (place.node === undefined) world.start(place)
  })
}

function cut(world: World, a: string, b: string): void {
  world.network.cut(a, b)
  world.network.cut(b, a)
  world.clock.schedule(duration(world), () => {
    world.network.heal(a, b)
    world.network.heal(b, a)
  })
}

function duration(world: World): number {
  return world.random.below(world.random.pick([500, 4000, 12_000]))
}
