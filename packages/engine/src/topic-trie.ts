/** One level of the trie. */
interface Node<T> {
  children: Map<string, Node<T>>
  /** The child for `+`. */
  single: Node<T> | undefined
  /** Values of filters that end here. */
  values: Set<T>
  /** Values of filters that end with `#` here. */
  multi: Set<T>
}

function emptyNode<T>(): Node<T> {
  return { children: new Map(), single: undefined, values: new Set(), multi: new Set() }
}

/** Topic filters and who has them; finds all whose filter matches a topic name without looking at the others. */
export class TopicTrie<T> {
  readonly #root: Node<T> = emptyNode()

  /** Whether no filter is there: nothing matches. */
  get isEmpty(): boolean {
    const { children, single, multi } = this.#root
    return children.size === 0 && single === undefined && multi.size === 0
  }

  /** Adds `value` under a valid filter; again: nothing happens. */
  add(filter: string, value: T): void {
    let node = this.#root
    for (const level of filter.split('/')) {
      if (level === '#') {
        node.multi.add(value)
        return
      }
      if (level === '+') node = node.single ??= emptyNode()
      else {
        let child = node.children.get(level)
        if (child === undefined) node.children.set(level, (child = emptyNode()))
        node = child
      }
    }
    node.values.add(value)
  }

  /** Removes `value` from a filter, and the levels that nobody needs any more. */
  remove(filter: string, value: T): void {
    const levels = filter.split('/')
    const path: Node<T>[] = [this.#root]
    for (const level of levels) {
      if (level === '#') break
      const node = path.at(-1)!
      const next = level === '+' ? node.single : node.children.get(level)
      if (next === undefined) return
      path.push(next)
    }
    const last = path.at(-1)!
    if (levels.at(-1) === '#') last.multi.delete(value)
    else last.values.delete(value)
    for (let depth = path.length - 1; depth > 0; depth--) {
      const node = path[depth]!
      if (node.values.size + node.multi.size + node.children.size > 0 || node.single !== undefined) return
      const parent = path[depth - 1]!
      if (levels[depth - 1] === '+') parent.single = undefined
      else parent.children.delete(levels[depth - 1]!)
    }
  }

  /** Every value with a filter that matches `topic`, once each [MQTT-4.7.1-2, MQTT-4.7.2-1]. */
  match(topic: string): Set<T> {
    const found = new Set<T>()
    const levels = topic.split('/')
    const isSystem = topic.startsWith('$')
    const nodes: Node<T>[] = [this.#root]
    const depths: number[] = [0]
    while (nodes.length > 0) {
      const node = nodes.pop()!
      const depth = depths.pop()!
      const wildcards = !(isSystem && depth === 0)
      if (wildcards) for (const value of node.multi) found.add(value)
      if (depth === levels.length) {
        for (const value of node.values) found.add(value)
        continue
      }
      const child = node.children.get(levels[depth]!)
      if (child !== undefined) {
        nodes.push(child)
        depths.push(depth + 1)
      }
      if (wildcards && node.single !== undefined) {
        nodes.push(node.single)
        depths.push(depth + 1)
      }
    }
    return found
  }
}
