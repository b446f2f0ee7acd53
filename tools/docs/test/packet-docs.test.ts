import { expect, test } from 'vitest'
import { packetDocs } from '../src/packet-docs.js'

test('comments of a packet and of its fields are read as one line each', () => {
  const source = `
/** Other. */
export interface Other {
  readonly a: number
}

/**
 * Asks for
 * a {@link Thing}.
 */
export interface AskPacket {
  readonly type: typeof PacketType.ASK
  /** Positive. */
  readonly requestId: number
  readonly plain: string
}
`
  const docs = packetDocs(source)
  expect([...docs.keys()]).toEqual(['ASK'])
  expect(docs.get('ASK')?.summary).toBe('Asks for a `Thing`.')
  expect([...docs.get('ASK')!.fields]).toEqual([['requestId', 'Positive.']])
})
