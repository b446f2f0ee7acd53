import type { Offset } from '@gomq/protocol'
import { LevelCursor, RetainedLevel, type RetainedNode } from './retained-tree.js'
import { RetainedWalk } from './retained-walk.js'

/**
 * Where the retained message of each topic stands in the log: the last record with `retain`, unless it was empty. Committed state: a
 * fold over retained batches in the order of the log, so that applying a stretch of it again changes nothing.
 *
 * A tree of topic levels, so that a filter with wildcards visits the topics that can match and no others.
 */
export class RetainedMessages {
  readonly #root = new RetainedLevel()
  #count = 0

  /** Topics with a retained message. */
  get count(): number {
    return this.#count
  }

  /** Offset of the topic's retained message, or undefined. */
  offsetOf(topic: string): Offset | undefined {
    let node: RetainedNode | undefined = this.#root
    for (const name of topic.split('/')) {
      if (!(node instanceof RetainedLevel)) return undefined
      node = node.get(name)
    }
    return node instanceof RetainedLevel ? node.offset : node
  }

  /** The topic's retained message is now the one at `offset`. */
  set(topic: string, offset: Offset): void {
    const names = topic.split('/')
    const last = names.pop()!
    let level = this.#root
    for (const name of names) {
      const node = level.get(name)
      if (node instanceof RetainedLevel) level = node
      else {
        const below = new RetainedLevel()
        below.offset = node
        level.set(name, below)
        level = below
      }
    }
    const node = level.get(last)
    if (node instanceof RetainedLevel) {
      if (node.offset === undefined) this.#count++
      node.offset = offset
    } else {
      if (node === undefined) this.#count++
      level.set(last, offset)
    }
  }

  /** The topic has no retained message any more [MQTT-3.3.1-10]. Without one: nothing happens. */
  clear(topic: string): void {
    const path: [parent: RetainedLevel, name: string][] = []
    let node: RetainedNode | undefined = this.#root
    for (const name of topic.split('/')) {
      if (!(node instanceof RetainedLevel)) return
      path.push([node, name])
      node = node.get(name)
    }
    if (node === undefined) return
    if (node instanceof RetainedLevel) {
      if (node.offset === undefined) return
      node.offset = undefined
    }
    this.#count--
    if (node instanceof RetainedLevel && !node.isEmpty) return
    for (let depth = path.length - 1; depth >= 0; depth--) {
      const [parent, name] = path[depth]!
      parent.delete(name)
      if (!parent.isEmpty) return
    }
  }

  /**
   * Visits the topics that can match a valid filter, one at a time: an offset for each that matches and has a retained message, undefined
   * for a node that was only passed [MQTT-4.7.2-1]. A live walk: what was retained before it began, and still is, is visited; what
   * changes meanwhile may be seen as it was.
   */
  *visit(filter: string): Generator<Offset | undefined> {
    const names = filter.split('/')
    const visits: Visit[] = []
    const isWildAtFirst = names[0] === '+' || names[0] === '#'
    yield enter(this.#root, names, 0, visits)
    while (visits.length > 0) {
      const { children, depth } = visits.at(-1)!
      if (!children.next()) {
        visits.pop()
        continue
      }
      const { name, node } = children
      // A wildcard at the first level does not match topics that begin with `$`.
      if (isWildAtFirst && visits.length === 1 && name.startsWith('$')) yield undefined
      else yield enter(node, names, depth, visits)
    }
  }

  /** The offset of every retained message: a {@link walk}. */
  *offsets(): Generator<Offset> {
    for (const walk = this.walk(); walk.next(); ) yield walk.offset
  }

  /** Every topic and its offset: a {@link walk}. */
  *entries(): Generator<readonly [topic: string, offset: Offset]> {
    for (const walk = this.walk(); walk.next(); ) yield [walk.topic, walk.offset]
  }

  /** Goes over all of them; a live walk, which makes less for the collector to do than the others. */
  walk(): RetainedWalk {
    return new RetainedWalk(this.#root)
  }
}

/** A level whose children are being visited. */
interface Visit {
  readonly children: LevelCursor
  /** Of the children, in the filter; that of `#` for all below it. */
  readonly depth: number
}

/**
 * Passes a node at `depth` of the filter, goes down the levels that it names, and puts the children that a wildcard wants on the stack.
 * @returns offset of the topic that ends here, if the filter matches it
 */
function enter(node: RetainedNode, names: readonly string[], depth: number, visits: Visit[]): Offset | undefined {
  let here: RetainedNode | undefined = node
  let at = depth
  for (; at < names.length && names[at] !== '+' && names[at] !== '#'; at++) {
    here = here instanceof RetainedLevel ? here.get(names[at]!) : undefined
    if (here === undefined) return undefined
  }
  const isOpen = names[at] === '#'
  if (here instanceof RetainedLevel && at < names.length) {
    const children = new LevelCursor()
    here.begin(children)
    visits.push({ children, depth: isOpen ? at : at + 1 })
  }
  // `a/#` matches `a` itself [MQTT-4.7.1-2].
  if (at < names.length && !isOpen) return undefined
  return here instanceof RetainedLevel ? here.offset : here
}
