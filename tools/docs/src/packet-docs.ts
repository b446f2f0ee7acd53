/** What the source says about a packet: its own comment, and one for each field that has one. */
export interface PacketDoc {
  readonly summary: string
  readonly fields: ReadonlyMap<string, string>
}

const PACKET = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport interface \w+Packet \{\n([\s\S]*?)\n\}/g
const FIELD = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?readonly (\w+)\??:/g

/** Reads the comments of the packet interfaces in a source text, by the packet's name (`CONNECT`). */
export function packetDocs(source: string): Map<string, PacketDoc> {
  const docs = new Map<string, PacketDoc>()
  for (const [, summary = '', body = ''] of source.matchAll(PACKET)) {
    const name = /readonly type: typeof PacketType\.(\w+)/.exec(body)?.[1]
    if (name === undefined) continue
    const fields = new Map<string, string>()
    for (const [, comment, field = ''] of body.matchAll(FIELD))
      if (comment !== undefined) fields.set(field, oneLine(comment))
    docs.set(name, { summary: oneLine(summary), fields })
  }
  return docs
}

function oneLine(comment: string): string {
  return comment
    .replace(/^\s*\*/gm, '')
    .replace(/\{@link (\w+)\}/g, '`$1`')
    .replace(/\s+/g, ' ')
    .trim()
}
