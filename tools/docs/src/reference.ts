import { readdirSync, readFileSync } from 'node:fs'
import { ERROR_TABLE, PACKET_TABLES } from '../../../packages/protocol/src/index.js'
import { type PacketDoc, packetDocs } from './packet-docs.js'
import { markdownTable } from './printed-block.js'

const PACKETS = new URL('../../../packages/protocol/src/packets/', import.meta.url)

/** Every packet with its fields, in the order of their numbers. */
export function printPackets(): string {
  const docs = new Map<string, PacketDoc>()
  for (const file of readdirSync(PACKETS))
    for (const [name, doc] of packetDocs(readFileSync(new URL(file, PACKETS), 'utf8'))) docs.set(name, doc)
  return Object.entries(PACKET_TABLES)
    .map(([type, { name, fields }]) => {
      const doc = docs.get(name)
      const rows = Object.entries(fields).map(([field, { description }], i) => [
        i + 1,
        `\`${field}\``,
        description,
        doc?.fields.get(field) ?? '',
      ])
      return `### ${type} ${name}\n\n${doc?.summary ?? ''}\n\n${markdownTable(['#', 'field', 'on the wire', 'meaning'], [[0, 'type', type, ''], ...rows])}`
    })
    .join('\n\n')
}

/** Every error code with its meaning on each door. */
export function printErrors(): string {
  return markdownTable(
    ['code', 'wire', 'again?', 'HTTP', 'exit', 'meaning'],
    Object.entries(ERROR_TABLE).map(([code, { wire, retriable, httpStatus, exitCode, summary }]) => [
      `\`${code}\``,
      wire,
      retriable ? 'yes' : 'no',
      httpStatus,
      exitCode,
      summary,
    ]),
  )
}
