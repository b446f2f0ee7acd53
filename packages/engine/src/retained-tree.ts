import type { Offset } from '@gomq/protocol'

/** What stands under a name: the offset of a topic that ends here and has nothing below, or a level. */
export type RetainedNode = Offset | RetainedLevel

/**
 * One level of the tree of topic names. With a million topics most nodes are leaves, which are bare offsets, and most levels have one
 * child, which is kept without a map.
 */
export class RetainedLevel {
  /** Offset of the retained message of the topic that ends here; undefined: none. */
  offset: Offset | undefined = undefined
  /** The only child and its name, as long as there is no map of them. */
  #name: string | undefined = undefined
  #child: RetainedNode | undefined = undefined
  #children: Map<string, RetainedNode> | undefined = undefined

  /** Whether there is neither a retained message here nor anything below. */
  get isEmpty(): boolean {
    return this.offset === undefined && this.#name === undefined && this.#children === undefined
  }

  /** The child of this name, or undefined. */
  get(name: string): RetainedNode | undefined {
    return this.#children === undefined ? (this.#name === name ? this.#child : undefined) : this.#children.get(name)
  }

  /** Puts a child in, or another one in its place. */
  set(name: string, node: RetainedNode): void {
    if (this.#children !== undefined) this.#children.set(name, node)
    else if (this.#name === undefined || this.#name === name) {
      this.#name = name
      this.#child = node
    } else {
      this.#children = new Map([
        [this.#name, this.#child!],
        [name, node],
      ])
      this.#name = undefined
      this.#child = undefined
    }
  }

  /** Removes a child that is there. */
  delete(name: string): void {
    if (this.#children === undefined) {
      this.#name = undefined
      this.#child = undefined
    } else {
      this.#children.delete(name)
      if (this.#children.size === 0) this.#children = undefined
    }
  }

  /**
   * Children and their names. The walk may go on while they change: it shows every child that was there before and still is, though an
   * only child perhaps as it was.
   */
  children(): Iterator<readonly [name: string, node: RetainedNode]> {
    if (this.#children !== undefined) return this.#children.entries()
    return this.#name === undefined ? [].values() : [[this.#name, this.#child!] as const].values()
  }
}
