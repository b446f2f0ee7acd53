import type { Offset } from '@gomq/protocol'

/** One level of the tree of topic names. */
interface Level {
  readonly children: Map<string, Level>
  /** Offset of the retained message of the topic that ends here; undefined: none. */
  offset: Offset | undefined
}

/**
 * Where the retained message of each topic stands in the log: the last record with `retain`, unless it was empty. Committed state: a
 * fold over retained batches in the order of the log, so that applying a stretch of it again changes nothing.
 *
 * A tree of topic levels, so that a filter with wildcards visits the topics that can match and no others.
 */
export class RetainedMessages {
  readonly #root: Level = emptyLevel()
  #count = 0

  /** Topics with a retained message. */
  get count(): number {
    return this.#count
  }

  /** Offset of the topic's retained message, or undefined. */
  offsetOf(topic: string): Offset | undefined {
    let level: Level | undefined = this.#root
    for (const name of topic.split('/')) {
      level = level.children.get(name)
      if (level === undefined) return undefined
    }
    return level.offset
  }

  /** The topic's retained message is now the one at `offset`. */
  set(topic: string, offset: Offset): void {
    let level = this.#root
    for (const name of topic.split('/')) {
      let child = level.children.get(name)
      if (child === undefined) level.children.set(name, (child = emptyLevel()))
      level = child
    }
    if (level.offset === undefined) this.#count++
    level.offset = offset
  }

  /** The topic has no retained message any more [MQTT-3.3.1-10]. Without one: nothing happens. */
  clear(topic: string): void {
    const path: [parent: Level, name: string][] = []
    let level = this.#root
    for (const name of topic.split('/')) {
      const child = level.children.get(name)
      if (child === undefined) return
      path.push([level, name])
      level = child
    }
    if (level.offset === undefined) return
    level.offset = undefined
    this.#count--
    for (let depth = path.length - 1; depth >= 0; depth--) {
      const [parent, name] = path[depth]!
      const child = parent.children.get(name)!
      if (child.offset !== undefined || child.children.size > 0) return
      parent.children.delete(name)
    }
  }

  /**
   * Offsets of the retained messages whose topics match one of the valid `filters` and that stand below `before`, ascending and
   * once each [MQTT-3.3.1-6, MQTT-4.7.2-1].
   */
  matching(filters: readonly string[], before: Offset): Offset[] {
    const offsets = new Set<Offset>()
    for (const filter of filters) collect(this.#root, filter, before, offsets)
    return [...offsets].sort((a, b) => a - b)
  }

  /** Every topic and its offset; a live walk, for snapshots. */
  *entries(): Generator<readonly [topic: string, offset: Offset]> {
    const levels: [level: Level, topic: string][] = [[this.#root, '']]
    while (levels.length > 0) {
      const [level, topic] = levels.pop()!
      if (level.offset !== undefined) yield [topic, level.offset]
      for (const [name, child] of level.children) levels.push([child, level === this.#root ? name : `${topic}/${name}`])
    }
  }
}

function emptyLevel(): Level {
  return { children: new Map(), offset: undefined }
}

function collect(root: Level, filter: string, before: Offset, offsets: Set<Offset>): void {
  const names = filter.split('/')
  const take = (level: Level) => {
    if (level.offset !== undefined && level.offset < before) offsets.add(level.offset)
  }
  const visits: [level: Level, depth: number][] = [[root, 0]]
  while (visits.length > 0) {
    const [level, depth] = visits.pop()!
    const name = names[depth]
    if (name === undefined) take(level)
    else if (name === '#') {
      // `a/#` matches `a` itself [MQTT-4.7.1-2].
      if (depth > 0) take(level)
      takeAllBelow(level, level === root, take)
    } else if (name === '+') {
      for (const [child, node] of level.children) if (isVisible(child, level === root)) visits.push([node, depth + 1])
    } else {
      const child = level.children.get(name)
      if (child !== undefined) visits.push([child, depth + 1])
    }
  }
}

function takeAllBelow(start: Level, isRoot: boolean, take: (level: Level) => void): void {
  const levels: Level[] = []
  for (const [name, child] of start.children) if (isVisible(name, isRoot)) levels.push(child)
  while (levels.length > 0) {
    const level = levels.pop()!
    take(level)
    for (const child of level.children.values()) levels.push(child)
  }
}

/** A wildcard at the first level does not match topics that begin with `$` [MQTT-4.7.2-1]. */
function isVisible(name: string, isFirstLevel: boolean): boolean {
  return !isFirstLevel || !name.startsWith('$')
}
