import type { Offset } from '@gomq/protocol'
import { LevelCursor, RetainedLevel } from './retained-tree.js'

/**
 * Goes over every retained message, in no order; between two of them lie as many steps as a topic has levels. A live walk: what was retained
 * before it began, and still is, is there, once; what becomes retained meanwhile may be missing.
 *
 *     while (walk.next()) use(walk.topic, walk.offset)
 */
export class RetainedWalk {
  /** Of the message that {@link next} has come to. */
  offset: Offset = 0 as Offset
  /** One for each level that is being gone over, and more of earlier ones. */
  readonly #cursors: LevelCursor[] = []
  /** Names above a level, each with a `/`; undefined until a topic is asked for. */
  readonly #prefixes: (string | undefined)[] = []
  #depth = 0
  /** Where the message's own name is. */
  #depthHere = 0

  constructor(root: RetainedLevel) {
    this.#enter(root)
  }

  /** Topic of the message that {@link next} has come to. */
  get topic(): string {
    return this.#prefix(this.#depthHere) + this.#cursors[this.#depthHere]!.name
  }

  /** Goes to the next message. @returns whether there is one */
  next(): boolean {
    while (this.#depth > 0) {
      const at = this.#depth - 1
      const cursor = this.#cursors[at]!
      if (!cursor.next()) {
        this.#depth--
        continue
      }
      const { node } = cursor
      if (node instanceof RetainedLevel) this.#enter(node)
      const offset = node instanceof RetainedLevel ? node.offset : node
      if (offset === undefined) continue
      this.offset = offset
      this.#depthHere = at
      return true
    }
    return false
  }

  #enter(level: RetainedLevel): void {
    if (this.#depth === this.#cursors.length) this.#cursors.push(new LevelCursor())
    level.begin(this.#cursors[this.#depth]!)
    this.#prefixes[this.#depth] = undefined
    this.#depth++
  }

  #prefix(depth: number): string {
    if (depth === 0) return ''
    return (this.#prefixes[depth] ??= `${this.#prefix(depth - 1)}${this.#cursors[depth - 1]!.name}/`)
  }
}
