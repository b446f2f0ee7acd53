import type { Replica } from '../cluster-view.js'

/** Whether both are the same copy of the log: the broker's id and the store's (R10). */
export function isSameReplica(a: Replica, b: Replica): boolean {
  return a.id === b.id && a.storeId === b.storeId
}

/** Whether `replica` is one of `members`. */
export function includesReplica(members: readonly Replica[], replica: Replica): boolean {
  return members.some((member) => isSameReplica(member, replica))
}

/** Whether both hold the same copies, in any order. */
export function areSameReplicas(a: readonly Replica[], b: readonly Replica[]): boolean {
  return a.length === b.length && a.every((replica) => includesReplica(b, replica))
}
