import { connect, type Socket } from 'node:net'
import { RateMeter, WARM_UP_SHARE } from './rate-meter.js'
import { report, type WorkerTask } from './worker-task.js'

/** Messages in one blob, and blobs in flight: what a batching client reaches under load. */
const BLOB_MESSAGES = 1000
const WINDOW_BLOBS = 16

/** Sends blobs as fast as the relay acknowledges them. */
export async function relayPublish(task: WorkerTask, started: Promise<void>): Promise<{ ratePerSec: number }> {
  const socket = open(task.address)
  socket.write('P')
  const blob = Buffer.alloc(4 + BLOB_MESSAGES * task.messageBytes, 120)
  blob.writeUInt32LE(blob.byteLength - 4, 0)
  const meter = new RateMeter(task.messages)
  const blobs = Math.ceil(task.messages / BLOB_MESSAGES)
  let sent = 0
  report({ kind: 'ready' })
  await started
  const send = () => {
    if (sent >= blobs) return
    sent++
    socket.write(blob)
  }
  await new Promise<void>((resolve, reject) => {
    let ackBytes = 0
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      ackBytes += chunk.byteLength
      for (; ackBytes >= 4; ackBytes -= 4) {
        meter.add(BLOB_MESSAGES)
        send()
      }
      if (meter.isDone) resolve()
    })
    for (let i = 0; i < WINDOW_BLOBS; i++) send()
  })
  const { ratePerSec } = meter
  socket.destroy()
  return { ratePerSec }
}

/** One blob of one message after the other, each awaited. */
export async function relayAwaited(
  task: WorkerTask,
  started: Promise<void>,
): Promise<{ ratePerSec: number; latenciesUs: number[] }> {
  const socket = open(task.address)
  socket.write('P')
  const blob = Buffer.alloc(4 + task.messageBytes, 120)
  blob.writeUInt32LE(task.messageBytes, 0)
  const meter = new RateMeter(task.messages)
  const latenciesUs: number[] = []
  report({ kind: 'ready' })
  await started
  await new Promise<void>((resolve, reject) => {
    let startNs = process.hrtime.bigint()
    socket.on('error', reject)
    socket.on('data', () => {
      const nowNs = process.hrtime.bigint()
      latenciesUs.push(Number(nowNs - startNs) / 1000)
      meter.add(1)
      if (meter.isDone) return resolve()
      startNs = nowNs
      socket.write(blob)
    })
    socket.write(blob)
  })
  const { ratePerSec } = meter
  socket.destroy()
  return { ratePerSec, latenciesUs: latenciesUs.slice(Math.floor(task.messages * WARM_UP_SHARE)) }
}

/** Counts the bytes of what the relay forwards (`L`) or has stored (`C`). */
export async function relayConsume(task: WorkerTask, role: 'L' | 'C'): Promise<{ ratePerSec: number }> {
  const socket = open(task.address)
  socket.write(role)
  const meter = new RateMeter(task.messages)
  if (role === 'C') report({ kind: 'ready' })
  const blobBytes = 4 + BLOB_MESSAGES * task.messageBytes
  await new Promise<void>((resolve, reject) => {
    let listening = role === 'C'
    let bytes = listening ? 0 : -1
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      if (!listening) report({ kind: 'ready' })
      listening = true
      bytes += chunk.byteLength
      const blobs = Math.floor(bytes / blobBytes)
      bytes -= blobs * blobBytes
      if (blobs > 0) meter.add(blobs * BLOB_MESSAGES)
      if (meter.isDone) resolve()
    })
  })
  const { ratePerSec } = meter
  socket.destroy()
  return { ratePerSec }
}

function open(address: string): Socket {
  const [host, port] = address.split(':')
  const socket = connect(Number(port), host)
  socket.setNoDelay(true)
  return socket
}
