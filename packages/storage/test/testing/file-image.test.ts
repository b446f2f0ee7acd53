import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FileImage } from '../../src/testing/file-image.js'

test('a file in memory holds what a plain array would, after any program of writes, cuts and growth', () => {
  const step = fc.oneof(
    fc.record({ write: fc.uint8Array({ maxLength: 20 }), position: fc.nat(60) }),
    fc.record({ resize: fc.nat(80) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const image = new FileImage()
      let twin: number[] = []
      for (const each of steps) {
        if ('resize' in each) {
          image.resize(each.resize)
          twin = Array.from({ length: each.resize }, (_, i) => twin[i] ?? 0)
        } else {
          image.write(each.write, each.position)
          for (const [i, byte] of each.write.entries()) twin[each.position + i] = byte
          if (each.write.length === 0) twin.length = Math.max(twin.length, each.position)
          twin = Array.from(twin, (byte) => byte ?? 0)
        }
        expect([...image.bytes]).toEqual(twin)
      }
    }),
  )
})
