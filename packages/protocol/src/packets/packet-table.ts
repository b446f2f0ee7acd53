import type { Field } from './field.js'

/** The fields of one packet, in the order in which they follow the packet's type on the wire. */
export interface PacketTable<P extends { readonly type: number }> {
  readonly name: string
  readonly fields: { readonly [K in Exclude<keyof P, 'type'>]: Field<P[K]> }
}
