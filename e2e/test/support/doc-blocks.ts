/** A fenced block of a Markdown page. */
export interface DocBlock {
  /** What stands behind the fence: `js`, `ts`, `sh`, `json`, ...; empty for plain text. */
  readonly language: string
  /** Line of the fence, from 1. */
  readonly line: number
  /** Without the indentation of the fence. */
  readonly text: string
  /** Why it does not run, from `<!-- not run: reason -->` right above it. */
  readonly notRun: string | undefined
}

/** A command of a `sh` block, its continuation lines joined. */
export interface DocCommand {
  readonly line: number
  readonly text: string
  /** What stands behind `#` at its end. */
  readonly comment: string
  /** Why it does not run, from a comment `# not run: reason`. */
  readonly notRun: string | undefined
}

/** The fenced blocks of a page, in order. */
export function blocksOf(markdown: string): DocBlock[] {
  const lines = markdown.split('\n')
  const blocks: DocBlock[] = []
  for (let i = 0; i < lines.length; i++) {
    const fence = /^( *)(`{3,})(\w*)\s*$/.exec(lines[i]!)
    if (fence === null) continue
    const [, indent = '', ticks = '', language = ''] = fence
    const end = lines.findIndex((line, at) => at > i && line.trim() === ticks)
    if (end < 0) throw new Error(`the block at line ${i + 1} has no end`)
    const text = lines.slice(i + 1, end).map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line))
    const above = lines.slice(0, i).findLast((line) => line.trim() !== '') ?? ''
    const notRun = /^\s*<!-- not run: (.+) -->\s*$/.exec(above)?.[1]
    blocks.push({ language, line: i + 1, text: `${text.join('\n')}\n`, notRun })
    i = end
  }
  return blocks
}

/** The commands of a `sh` block; lines that hold a comment and nothing else are left out. */
export function commandsOf(block: DocBlock): DocCommand[] {
  const commands: DocCommand[] = []
  const lines = block.text.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const first = i
    let text = lines[i]!
    while (text.endsWith('\\')) text = `${text.slice(0, -1)} ${lines[++i]!.trim()}`
    const comment = /(?:^|\s)#\s(.*)$/.exec(text)
    const command = text.slice(0, comment?.index ?? text.length).trim()
    const notRun = /^not run: (.+)$/.exec(comment?.[1] ?? '')?.[1]
    if (command !== '')
      commands.push({ line: block.line + 1 + first, text: command, comment: comment?.[1] ?? '', notRun })
  }
  return commands
}

/** What a module says in comments that it prints: `console.log(sum) // 3` gives `3`. */
export function printsOf(module: string): string[] {
  return [...module.matchAll(/console\.log\(.*\);? +\/\/ (.*)$/gm)].map((match) => match[1]!)
}
