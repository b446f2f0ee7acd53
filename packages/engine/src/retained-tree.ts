import type { Offset } from '@gomq/protocol'

/** What stands under a name: the offset of a topic that ends here and has nothing below, or a level. */
export type RetainedNode = Offset | RetainedLevel

/** Children up to which a level looks through a list instead of keeping a map. */
const LISTED_MAX = 6

/** A few children: name, node, name, node, ... */
type Listed = (string | RetainedNode)[]

/**
 * One level of the tree of topic names. With a million topics most nodes are leaves, which are bare offsets, and most levels have one child
 * or a few, which are kept without a map.
 */
export class RetainedLevel {
  /** Offset of the retained message of the topic that ends here; undefined: none. */
  offset: Offset | undefined = undefined
  /** Name of the only child; undefined if there is none or more than one. */
  #name: string | undefined = undefined
  /** The only child, or all of them. */
  #below: RetainedNode | Listed | Map<string, RetainedNode> | undefined = undefined

  /** Whether there is neither a retained message here nor anything below. */
  get isEmpty(): boolean {
    return this.offset === undefined && this.#below === undefined
  }

  /** The child of this name, or undefined. */
  get(name: string): RetainedNode | undefined {
    const below = this.#below
    if (this.#name !== undefined) return this.#name === name ? (below as RetainedNode) : undefined
    if (below instanceof Map) return below.get(name)
    if (below === undefined) return undefined
    const listed = below as Listed
    return listed[indexOf(listed, name) + 1] as RetainedNode | undefined
  }

  /** Puts a child in, or another one in its place. */
  set(name: string, node: RetainedNode): void {
    const below = this.#below
    if (this.#name === name || below === undefined) {
      this.#name = name
      this.#below = node
    } else if (below instanceof Map) below.set(name, node)
    else {
      const listed: Listed = this.#name !== undefined ? [this.#name, below as RetainedNode] : (below as Listed)
      const at = indexOf(listed, name)
      this.#name = undefined
      if (at < listed.length) listed[at + 1] = node
      else if (listed.length < 2 * LISTED_MAX) this.#below = listed.concat(name, node)
      else this.#below = new Map(pairs(listed)).set(name, node)
    }
  }

  /** Removes a child that is there. */
  delete(name: string): void {
    const below = this.#below
    if (below instanceof Map) {
      below.delete(name)
      if (below.size === 0) this.#below = undefined
    } else if (this.#name !== undefined) {
      this.#name = undefined
      this.#below = undefined
    } else {
      const listed = below as Listed
      const at = indexOf(listed, name)
      this.#below = listed.length === 2 ? undefined : listed.slice(0, at).concat(listed.slice(at + 2))
    }
  }

  /**
   * Children and their names. The walk may go on while they change: it shows every child that was there before and still is, where there
   * are few perhaps as it was.
   */
  children(): Iterator<readonly [name: string, node: RetainedNode]> {
    const below = this.#below
    if (below === undefined) return [].values()
    if (this.#name !== undefined) return [[this.#name, below as RetainedNode] as const].values()
    return below instanceof Map ? below.entries() : pairs(below as Listed).values()
  }
}

/** Where the name stands; the length if it does not. */
function indexOf(listed: Listed, name: string): number {
  let at = 0
  while (at < listed.length && listed[at] !== name) at += 2
  return at
}

function pairs(listed: Listed): [name: string, node: RetainedNode][] {
  const all: [string, RetainedNode][] = []
  for (let i = 0; i < listed.length; i += 2) all.push([listed[i] as string, listed[i + 1] as RetainedNode])
  return all
}
