import { Attribute, attributesOf, baseOffsetOf, PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { EngineBench } from './support/engine-bench.js'
import { ack, comeBack, credit, EARLIEST, unackedOf } from './support/overtaken.js'
import { punch } from './support/punch.js'

describe('a hole that compaction left', () => {
  test('is passed over: the parts around it are delivered, in a form that says nothing of holes', () => {
    const bench = new EngineBench()
    bench.publishFrom('a', ['0', '1', '2', '3', '4'])
    const base = baseOffsetOf(bench.log.at(-1)!)
    punch(bench.log, base, [0, 2])
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], EARLIEST)
    bench.commitAll()
    for (const packet of bench.sent.get(1) ?? [])
      if (packet.type === PacketType.DELIVER) expect(attributesOf(packet.header!) & Attribute.SPARSE).toBe(0)
    expect(bench.takeDelivered(1).map(({ offset, text }) => [offset - base, text])).toEqual([
      [1, '1'],
      [3, '3'],
      [4, '4'],
    ])
  })

  test('costs no credit, also where credit ends in the middle', () => {
    const bench = new EngineBench()
    bench.publishFrom('a', ['0', '1', '2', '3'])
    punch(bench.log, baseOffsetOf(bench.log.at(-1)!), [1, 2])
    bench.connect(1, null)
    bench.subscribe(1, 1, ['a'], { ...EARLIEST, messages: 1 })
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['0'])
    credit(bench, 1, 1)
    expect(bench.takeTexts(1)).toEqual(['3'])
  })

  test('waits for no acknowledgement, and is no loss', () => {
    const bench = new EngineBench()
    bench.putPolicy('a', { isCompacted: true })
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.commitAll()
    bench.publishFrom('a', ['0', '1', '2', '3'])
    const base = baseOffsetOf(bench.dataBatches().at(-1)!)
    bench.leave(1)
    bench.commitAll()
    expect(unackedOf(bench)).toBe(4)
    punch(bench.log, base, [1, 3])
    comeBack(bench)
    expect(bench.takeMissed(2)).toEqual([])
    expect(bench.takeTexts(2)).toEqual(['0', '2'])
    expect(unackedOf(bench)).toBe(2)
    ack(bench, 2, base, base + 1)
    ack(bench, 2, base + 2, base + 3)
    bench.crash()
    expect(unackedOf(bench)).toBe(0)
  })
})
