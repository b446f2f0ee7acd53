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

  /** Lets `cursor` begin with the first child. */
  begin(cursor: LevelCursor): void {
    const below = this.#below
    if (this.#name !== undefined) cursor.begin(undefined, undefined, this.#name, below as RetainedNode)
    else if (below instanceof Map) cursor.begin(undefined, below, undefined, undefined)
    else cursor.begin(below as Listed | undefined, undefined, undefined, undefined)
  }
}

/**
 * Goes over the children of a level. The walk may go on while they change: it shows every child that was there before and still is, where there
 * are few perhaps as it was. It is used again for other levels and makes no objects for children: with a million of them, the collector would have
 * half a gigabyte to do.
 */
export class LevelCursor {
  /** Of the child that {@link next} has come to. */
  name: string = ''
  node: RetainedNode = 0 as Offset
  #listed: Listed | undefined
  #at = 0
  #map: ReadonlyMap<string, RetainedNode> | undefined
  #names: Iterator<string> | undefined
  #onlyName: string | undefined
  #onlyNode: RetainedNode | undefined

  /** Begins with a level whose children are in one of these. */
  begin(
    listed: Listed | undefined,
    map: ReadonlyMap<string, RetainedNode> | undefined,
    onlyName: string | undefined,
    onlyNode: RetainedNode | undefined,
  ): void {
    this.#listed = listed
    this.#at = 0
    this.#map = map
    this.#names = map?.keys()
    this.#onlyName = onlyName
    this.#onlyNode = onlyNode
  }

  /** Goes to the next child. @returns whether there is one */
  next(): boolean {
    if (this.#names !== undefined) {
      const { done, value } = this.#names.next()
      if (done) return false
      this.name = value
      this.node = this.#map!.get(value)!
      return true
    }
    if (this.#onlyName !== undefined) {
      this.name = this.#onlyName
      this.node = this.#onlyNode!
      this.#onlyName = undefined
      return true
    }
    const listed = this.#listed
    if (listed === undefined || this.#at >= listed.length) return false
    this.name = listed[this.#at] as string
    this.node = listed[this.#at + 1] as RetainedNode
    this.#at += 2
    return true
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
