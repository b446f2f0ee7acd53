/** Messages that differ: each carries the number of its slot, and a consumer counts what came of each. */
const SLOTS_MAX = 4096
const SLOTS_BYTES: number = 64 * 1024 * 1024

/** A value begins with its slot (u32), then four bytes of nothing, then the time when it should have been sent (f64, microseconds). */
export const VALUE_BYTES_MIN = 16
const DUE_AT = 8

/** Slots of a measurement: the messages are made before the clock runs, and used in turn. */
export function slotsFor(messageBytes: number): number {
  return Math.max(8, Math.min(SLOTS_MAX, Math.floor(SLOTS_BYTES / messageBytes)))
}

/** @returns the value of message `index` */
export function makeValues(messageBytes: number, isJson: boolean): (index: number) => Uint8Array {
  const below = randomBelow()
  const values = Array.from({ length: slotsFor(messageBytes) }, (_, slot) => {
    const value = Buffer.alloc(messageBytes, 120)
    if (isJson) value.write(jsonOf(messageBytes - VALUE_BYTES_MIN, slot, below), VALUE_BYTES_MIN)
    value.fill(0, 0, VALUE_BYTES_MIN)
    value.writeUInt32LE(slot, 0)
    return value
  })
  return (index) => values[index % values.length]!
}

/** A value that says when it should have been sent, on the clock of {@link nowUs}. */
export function timedValue(messageBytes: number, index: number, dueUs: number): Uint8Array {
  const value = Buffer.alloc(messageBytes, 120)
  value.writeUInt32LE(index % slotsFor(messageBytes), 0)
  value.writeDoubleLE(dueUs, DUE_AT)
  return value
}

/** The slot of a value that came. */
export function slotOf(value: Uint8Array): number {
  return (value[0]! | (value[1]! << 8) | (value[2]! << 16) | (value[3]! << 24)) >>> 0
}

/** When a timed value should have been sent. */
export function dueUsOf(value: Uint8Array): number {
  return new DataView(value.buffer, value.byteOffset, value.byteLength).getFloat64(DUE_AT, true)
}

/** Microseconds on a clock that all processes of the machine share. */
export function nowUs(): number {
  return Number(process.hrtime.bigint()) / 1000
}

function randomBelow(): (bound: number) => number {
  let seed = 1
  return (bound) => {
    seed = (seed * 1_103_515_245 + 12_345) % 0x8000_0000
    return Math.floor((seed / 0x8000_0000) * bound)
  }
}

function jsonOf(bytes: number, id: number, below: (bound: number) => number): string {
  const order = {
    id,
    customer: `c${below(100_000)}`,
    status: ['new', 'paid', 'sent'][below(3)],
    cents: below(1_000_000),
    note: '',
  }
  const words = ['deliver', 'to', 'the', 'front', 'door', 'after', 'noon', 'ring', 'twice', 'fragile']
  while (JSON.stringify(order).length < bytes) order.note += ` ${words[below(words.length)]}`
  return JSON.stringify(order).slice(0, bytes).padEnd(bytes)
}
