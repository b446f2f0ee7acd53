import { baseOffsetOf, PacketType, type StartPosition } from '@gomq/protocol'
import { expect } from 'vitest'
import type { EngineBench } from './engine-bench.js'

/** From the start of the log. */
export const EARLIEST: { readonly from: StartPosition } = { from: { kind: 'earliest' } }

/** Publishes one message a batch; returns the offset of the first and the one behind the last. */
export function publishEach(bench: EngineBench, topic: string, ...values: string[]): [from: number, to: number] {
  let from = -1
  for (const value of values) {
    bench.publishFrom(topic, [value])
    if (from < 0) from = baseOffsetOf(bench.dataBatches().at(-1)!)
  }
  return [from, bench.logEnd]
}

/** The first subscription of a connection may get more. */
export function credit(bench: EngineBench, connectionId: number, messages: number): void {
  bench.packet(connectionId, { type: PacketType.CREDIT, subscriptionId: 1, messages, bytes: 1_000_000 })
  bench.commitAll()
}

/** The first subscription of a connection acknowledges [from, to). */
export function ack(bench: EngineBench, connectionId: number, from: number, to: number): void {
  const requestId = bench.requestId()
  bench.packet(connectionId, { type: PacketType.ACK, requestId, subscriptionId: 1, ranges: [from, to] })
  bench.commitAll()
}

/** A durable subscriber of `a` that got `values` without acknowledging them, and has gone. */
export function leftBehind(bench: EngineBench, ...values: string[]): [from: number, to: number] {
  bench.connect(1, 'c')
  bench.subscribe(1, 1, ['a'], { name: 's' })
  bench.commitAll()
  const range = publishEach(bench, 'a', ...values)
  expect(bench.takeTexts(1)).toEqual(values)
  bench.leave(1)
  bench.commitAll()
  return range
}

/** The subscriber is back, and has got what there was for it. */
export function comeBack(bench: EngineBench, connectionId = 2): void {
  bench.connect(connectionId, 'c')
  bench.subscribe(connectionId, 1, ['a'], { name: 's' })
  bench.commitAll()
}

/** Messages that the subscriber has not acknowledged. */
export const unackedOf = (bench: EngineBench): number | undefined =>
  bench.engine.listing.subscriptionsOf('c')[0]?.unacked
