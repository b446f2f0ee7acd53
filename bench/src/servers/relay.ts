import { closeSync, fdatasync, fdatasyncSync, openSync, readSync, statSync, writev, writevSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'

/**
 * The floor that a reader compares with: the least a durable broker in Node must do. Length-prefixed blobs come in, are appended to
 * one file, synced in groups (a small one on the loop, which is quicker where the disk is quick), acknowledged with four bytes each and forwarded to
 * those who asked for them. It knows no topics, no offsets, no checksums and survives nothing.
 *
 * A connection's first byte says what it is: `P` publishes, `L` listens live (answered with one byte once it does), `C` reads the file from its
 * start and then closes.
 */

/** Rounds up to here are synced on the loop. */
const SMALL_ROUND_BYTES_MAX = 16 * 1024

/** Of more than twice as much a round takes half, as GoMQ's do. */
const WHOLE_ROUND_BYTES_MAX = 512 * 1024

/** A blob with its length, and who waits for its acknowledgement. */
interface Blob {
  readonly bytes: Buffer
  readonly from: Socket
}

const file = join(process.argv[2]!, 'relay.log')
const fd = openSync(file, 'w+')
const listeners = new Set<Socket>()
let position = 0
let writing = false
let queue: Blob[] = []

createServer((socket) => {
  socket.setNoDelay(true)
  socket.once('data', (first: Buffer) => {
    const role = String.fromCharCode(first[0]!)
    if (role === 'L') {
      listeners.add(socket)
      socket.write('L')
    }
    if (role === 'P') publishFrom(socket, first.subarray(1))
    if (role === 'C') catchUp(socket)
  })
  socket.on('close', () => listeners.delete(socket))
  socket.on('error', () => socket.destroy())
}).listen(0, '127.0.0.1', function (this: ReturnType<typeof createServer>) {
  const address = this.address() as { port: number }
  process.stdout.write(`relay ready tcp=127.0.0.1:${address.port}\n`)
})

function publishFrom(socket: Socket, rest: Buffer): void {
  let buffered: Buffer[] = [rest]
  let bytes = rest.byteLength
  const cut = () => {
    let all = buffered.length === 1 ? buffered[0]! : Buffer.concat(buffered)
    while (all.byteLength >= 4 && all.byteLength >= 4 + all.readUInt32LE(0)) {
      const end = 4 + all.readUInt32LE(0)
      queue.push({ bytes: all.subarray(0, end), from: socket })
      all = all.subarray(end)
    }
    buffered = [all]
    bytes = all.byteLength
    flush()
  }
  socket.on('data', (chunk: Buffer) => {
    buffered.push(chunk)
    bytes += chunk.byteLength
    const first = buffered[0]!
    if (first.byteLength >= 4 && bytes < 4 + first.readUInt32LE(0)) return
    cut()
  })
  cut()
}

function flush(): void {
  if (writing || queue.length === 0) return
  writing = true
  // Of very much half, so that the other half is refilled meanwhile.
  const enough = Math.max(WHOLE_ROUND_BYTES_MAX, bytesOf(queue) / 2)
  let count = 0
  for (let taken = 0; count < queue.length && taken < enough; count++) taken += queue[count]!.bytes.byteLength
  const round = queue.slice(0, count)
  queue = queue.slice(count)
  const chunks = round.map((item) => item.bytes)
  const bytes = bytesOf(round)
  if (bytes <= SMALL_ROUND_BYTES_MAX) {
    writevSync(fd, chunks, position)
    fdatasyncSync(fd)
    finish(round, bytes)
    return
  }
  writev(fd, chunks, position, (writeError, written) => {
    if (writeError) throw writeError
    fdatasync(fd, (syncError) => {
      if (syncError) throw syncError
      finish(round, written)
    })
  })
}

function bytesOf(blobs: readonly Blob[]): number {
  return blobs.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
}

function finish(round: readonly Blob[], bytes: number): void {
  position += bytes
  const acks = new Map<Socket, number>()
  for (const { from } of round) acks.set(from, (acks.get(from) ?? 0) + 1)
  for (const [socket, count] of acks) socket.write(Buffer.alloc(4 * count, 1))
  for (const socket of listeners) {
    socket.cork()
    for (const blob of round) socket.write(blob.bytes)
    socket.uncork()
  }
  writing = false
  flush()
}

function catchUp(socket: Socket): void {
  const reader = openSync(file, 'r')
  const end = statSync(file).size
  let at = 0
  const send = () => {
    while (at < end) {
      const chunk = Buffer.allocUnsafe(Math.min(1 << 20, end - at))
      at += readSync(reader, chunk, 0, chunk.byteLength, at)
      if (!socket.write(chunk)) return void socket.once('drain', send)
    }
    closeSync(reader)
    socket.end()
  }
  send()
}

process.on('SIGTERM', () => process.exit(0))
