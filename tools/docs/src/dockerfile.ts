/** One instruction of a Dockerfile, its continuation lines joined. */
export interface Instruction {
  /** In upper case: `RUN`, `ENV`, ... */
  readonly name: string
  readonly text: string
}

/** The instructions of a Dockerfile, in order. Comments are left out; what the shell would join is joined. */
export function instructionsOf(dockerfile: string): Instruction[] {
  return dockerfile
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => {
      const [name = ''] = line.split(' ')
      return { name: name.toUpperCase(), text: line.slice(name.length + 1).trim() }
    })
}

/** The texts of all instructions with this name in the last stage. */
export function lastStage(instructions: readonly Instruction[], name: string): string[] {
  const from = instructions.findLastIndex((instruction) => instruction.name === 'FROM')
  return instructions.slice(from).flatMap((instruction) => (instruction.name === name ? [instruction.text] : []))
}

/** Variables that an image sets. */
export function environmentOf(instructions: readonly Instruction[]): Record<string, string> {
  const pairs = lastStage(instructions, 'ENV').flatMap((text) => text.split(/\s+/))
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
}
